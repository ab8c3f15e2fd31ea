/**
 * What storing events costs the transaction that records them: ours against an insert into an outbox table written by
 * hand, and against the business row alone.
 *
 *   npx tsx bench/append.ts [--transactions 1500] [--rounds 5] [--driver postgres.js]
 */
import { randomUUID } from 'node:crypto'
import { parseArgs } from 'node:util'
import { sql } from 'drizzle-orm'
import { drizzle as drizzleNodePostgres } from 'drizzle-orm/node-postgres'
import { integer, json, pgTable, text, uuid } from 'drizzle-orm/pg-core'
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
const byHand = pgTable('outbox_by_hand', {
  id: uuid().primaryKey(),
  type: text().notNull(),
  data: json().notNull(),
})
const orderEvents = defineEvents('order', {
  placed: z.object({ customer: z.string(), total: z.int(), note: z.string() }),
})
const data = { customer: 'ada', total: 4200, note: 'x'.repeat(150) }

const servers = await startServers()
const database = await createDatabase(servers.databaseUrl)
const { plain, close } = open(values.driver)
const db = withOutbox(plain, { source: '/bench' })
await migrateOutbox(db)
await db.execute(sql`create table orders (id text primary key, customer text not null, total int not null)`)
await db.execute(
  sql`create table outbox_by_hand (id uuid primary key, type text not null, data json not null)`,
)

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
        { name: 'drizzle-outbox', ...work(() => place(events)) },
        { name: 'business row alone', ...work(() => placeByHand(0)) },
      ],
      Number(values.rounds),
    )
  }
}
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
    const rows = Array.from({ length: events }, () => ({ id: randomUUID(), type: 'order.placed', data }))
    if (events > 0) await tx.insert(byHand).values(rows)
  })
}

function place(events: number) {
  return db.transaction(async (tx) => {
    const id = randomUUID()
    await tx.insert(orders).values({ id, customer: 'ada', total: 4200 })
    for (let i = 0; i < events; i++) tx.outbox.add(orderEvents.placed(id, data))
  })
}
