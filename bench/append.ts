/**
 * What storing events costs the transaction that records them: ours, with `notify` and a listener too, against an insert
 * into an outbox table written by hand, and against the business row alone.
 *
 *   npm run build && npx tsx --tsconfig bench/tsconfig.json bench/append.ts [--transactions 1500] [--rounds 5] [--driver postgres.js]
 */
import { randomUUID } from 'node:crypto'
import { parseArgs } from 'node:util'
import { sql } from 'drizzle-orm'
import { drizzle as drizzleNodePostgres } from 'drizzle-orm/node-postgres'
import { integer, json, pgTable, text, timestamp, uuid } from 'drizzle-orm/pg-core'
import { drizzle as drizzlePostgresJs } from 'drizzle-orm/postgres-js'
import { defineEvents, migrateOutbox, withOutbox } from 'drizzle-outbox'
import pg from 'pg'
import postgres from 'postgres'
import { z } from 'zod'
import { createDatabase, startServers } from '../dev/servers/index.js'
import { rateOf, sideBySide } from './side-by-side.js'

const { values } = parseArgs({
  options: {
    transactions: { type: 'string', default: '1500' },
    rounds: { type: 'string', default: '5' },
    driver: { type: 'string', default: 'node-postgres' },
  },
})
const transactions = Number(values.transactions)

const orders = pgTable('orders', {
  id: text().primaryKey(),
  customer: text().notNull(),
  total: integer().notNull(),
})
/** As it stands in most articles, with the index that its relay polls by. */
const byHand = pgTable('outbox_by_hand', {
  id: uuid().primaryKey(),
  aggregateType: text('aggregate_type').notNull(),
  aggregateId: text('aggregate_id').notNull(),
  type: text().notNull(),
  payload: json().notNull(),
  createdAt: timestamp('created_at', { withTimezone: true }).notNull().defaultNow(),
  publishedAt: timestamp('published_at', { withTimezone: true }),
})
const orderEvents = defineEvents('order', {
  placed: z.object({ customer: z.string(), total: z.int(), note: z.string() }),
})
const data = { customer: 'ada', total: 4200, note: 'x'.repeat(150) }

const servers = await startServers()
const database = await createDatabase(servers.databaseUrl)
const { plain, close } = open(values.driver)
const db = withOutbox(plain, { source: '/bench' })
const notifying = withOutbox(plain, { source: '/bench', notify: true })
await migrateOutbox(db)
await db.execute(sql`create table orders (id text primary key, customer text not null, total int not null)`)
await db.execute(sql`
  create table outbox_by_hand (
    id uuid primary key, aggregate_type text not null, aggregate_id text not null, type text not null,
    payload json not null, created_at timestamptz not null default now(), published_at timestamptz)`)
await db.execute(sql`create index on outbox_by_hand (created_at) where published_at is null`)

const listener = new pg.Client({ connectionString: database.url })
await listener.connect()
await listener.query('listen outbox_events')

for (const writers of [1, 8, 32]) {
  for (const events of [1, 3, 10]) {
    console.log(`${values.driver}: ${writers} writers, ${events} events in a transaction`)
    const work = (transaction: () => Promise<unknown>) => ({
      run: () => rateOf(transactions, () => write(writers, transaction)),
    })
    await sideBySide(
      'transactions/s',
      [
        { name: 'outbox insert by hand', ...work(() => placeByHand(events)) },
        { name: 'drizzle-outbox', ...work(() => place(db, events)) },
        { name: 'drizzle-outbox, notify', ...work(() => place(notifying, events)) },
        { name: 'business row alone', ...work(() => placeByHand(0)) },
      ],
      Number(values.rounds),
    )
  }
}
await listener.end()
await close()
await database.drop()
await servers.stop()

/** The drivers' types differ in nothing that is used here. */
function open(driver: string) {
  if (driver === 'postgres.js') {
    const client = postgres(database.url, { max: 32 })
    const plain = drizzlePostgresJs({ client }) as unknown as ReturnType<typeof drizzleNodePostgres>
    return { plain, close: () => client.end() }
  }
  const client = new pg.Pool({ connectionString: database.url, max: 32 })
  return { plain: drizzleNodePostgres({ client }), close: () => client.end() }
}

async function write(writers: number, transaction: () => Promise<unknown>): Promise<void> {
  let left = transactions
  await Promise.all(
    Array.from({ length: writers }, async () => {
      while (left-- > 0) await transaction()
    }),
  )
}

function placeByHand(events: number) {
  return plain.transaction(async (tx) => {
    const id = randomUUID()
    await tx.insert(orders).values({ id, customer: 'ada', total: 4200 })
    const rows = Array.from({ length: events }, () => ({
      id: randomUUID(),
      aggregateType: 'order',
      aggregateId: id,
      type: 'order.placed',
      payload: data,
    }))
    if (events > 0) await tx.insert(byHand).values(rows)
  })
}

function place(to: typeof db, events: number) {
  return to.transaction(async (tx) => {
    const id = randomUUID()
    await tx.insert(orders).values({ id, customer: 'ada', total: 4200 })
    for (let i = 0; i < events; i++) tx.outbox.add(orderEvents.placed(id, data))
  })
}
