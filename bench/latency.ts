/**
 * How long an event takes from its commit to the broker's acknowledgement, while a process commits so many a second, one
 * in a transaction: with the relay in the same process, which commits wake; the same while the broker refuses the events of
 * one aggregate in a thousand; in another one, which notifications wake; and in another one that polls. From where
 * `transaction` has returned to where the relay knows.
 *
 *   npm run build && npx tsx --tsconfig bench/tsconfig.json bench/latency.ts [--rate 500] [--seconds 10] [--rounds 3]
 */
import { fork } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import { sql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/node-postgres'
import { integer, pgTable, text } from 'drizzle-orm/pg-core'
import { defineEvents, migrateOutbox, type RelayOptions, withOutbox } from 'drizzle-outbox'
import pg from 'pg'
import { z } from 'zod'
import { createDatabase, howToGetNats, startServers } from '../dev/servers/index.js'
import { type Acknowledged, now, STREAM, startTimedRelay } from './timed-relay.js'

const { values } = parseArgs({
  options: {
    rate: { type: 'string', default: '500' },
    seconds: { type: 'string', default: '10' },
    rounds: { type: 'string', default: '3' },
  },
})
const rate = Number(values.rate)
const count = rate * Number(values.seconds)

const orders = pgTable('orders', {
  id: text().primaryKey(),
  customer: text().notNull(),
  total: integer().notNull(),
})
const orderEvents = defineEvents('order', {
  placed: z.object({ customer: z.string(), total: z.int(), note: z.string() }),
})
const data = { customer: 'ada', total: 4200, note: 'x'.repeat(150) }
const AGGREGATES = 1000
const MAX_MESSAGE_BYTES = 4096
const refused = { ...data, note: 'x'.repeat(MAX_MESSAGE_BYTES) }

const servers = await startServers()
if (servers.natsUrl === undefined) throw new Error(howToGetNats)
const { natsUrl } = servers
const database = await createDatabase(servers.databaseUrl)
const client = new pg.Pool({ connectionString: database.url, max: 16 })
const plain = drizzle({ client })
const db = withOutbox(plain, { source: '/bench' })
const notifying = withOutbox(plain, { source: '/bench', notify: true })
const connection = await connect({ servers: natsUrl })
await migrateOutbox(db)
await db.execute(sql`create table orders (id text primary key, customer text not null, total int not null)`)
const manager = await jetstreamManager(connection)
await manager.streams.add({
  name: STREAM,
  subjects: [`${STREAM.toLowerCase()}.>`],
  max_msg_size: MAX_MESSAGE_BYTES,
})

/** When each event was committed, and when acknowledged. */
const committed = new Map<string, number>()
const acknowledged = new Map<string, number>()
const onAcknowledged = ({ ids, at }: Acknowledged) => {
  for (const id of ids) acknowledged.set(id, at)
}

interface Variant {
  readonly name: string
  readonly db: typeof db
  readonly poisoned?: boolean
  start(): Promise<() => Promise<unknown>>
}
const variants: readonly Variant[] = [
  { name: 'woken in the process', db, start: () => startTimedRelay(db, natsUrl, {}, onAcknowledged) },
  {
    name: 'the same, beside an aggregate that is refused',
    db,
    poisoned: true,
    start: () => startTimedRelay(db, natsUrl, {}, onAcknowledged),
  },
  { name: 'woken by NOTIFY', db: notifying, start: () => startElsewhere({ listen: true }) },
  { name: 'polling', db, start: () => startElsewhere({}) },
]
const latencies = new Map<Variant, number[][]>(variants.map((variant) => [variant, []]))
for (let round = 0; round < Number(values.rounds); round++)
  for (const variant of variants) latencies.get(variant)?.push(await measure(variant))

console.log(`${rate} events a second, milliseconds from commit to acknowledgement`)
console.table(
  variants.map((variant) => {
    const rounds = latencies.get(variant) ?? []
    return {
      variant: variant.name,
      p50: middle(rounds.map((all) => percentile(all, 50))),
      p99: middle(rounds.map((all) => percentile(all, 99))),
      'p50 of rounds': range(rounds.map((all) => percentile(all, 50))),
      'p99 of rounds': range(rounds.map((all) => percentile(all, 99))),
    }
  }),
)
await connection.close()
await client.end()
await database.drop()
await servers.stop()

async function startElsewhere(options: Partial<RelayOptions>): Promise<() => Promise<unknown>> {
  const script = fileURLToPath(new URL('relay-process.ts', import.meta.url))
  const relay = fork(script, [database.url, natsUrl, JSON.stringify(options)])
  await once(relay, 'message')
  relay.on('message', (message) => onAcknowledged(message as Acknowledged))
  return () => {
    relay.send('stop')
    return once(relay, 'exit')
  }
}

/** In order, without the first tenth, in which the processes warm up. */
async function measure({ db, start, poisoned = false }: Variant): Promise<number[]> {
  committed.clear()
  acknowledged.clear()
  const stop = await start()
  const begun = now()
  const placing: Promise<void>[] = []
  while (placing.length < count) {
    const due = Math.min(count, ((now() - begun) / 1000) * rate)
    while (placing.length < due) placing.push(place(db, placing.length % AGGREGATES, poisoned))
    await sleep(1)
  }
  await Promise.all(placing)
  while ([...committed.keys()].some((id) => !acknowledged.has(id))) await sleep(10)
  await stop()
  await db.execute(sql`delete from outbox_dead_letters`)
  return [...committed].slice(count / 10).map(([id, at]) => acknowledged.get(id)! - at)
}

async function place(db: Variant['db'], aggregate: number, poisoned: boolean): Promise<void> {
  const id = randomUUID()
  const isRefused = poisoned && aggregate === 0
  const event = orderEvents.placed(
    `${isRefused ? 'refused' : 'order'}-${aggregate}`,
    isRefused ? refused : data,
  )
  await db.transaction(async (tx) => {
    await tx.insert(orders).values({ id, customer: 'ada', total: 4200 })
    tx.outbox.add(event)
  })
  if (!isRefused) committed.set(event.id, now())
}

function percentile(all: readonly number[], percent: number): number {
  const sorted = [...all].sort((a, b) => a - b)
  return sorted[Math.ceil((sorted.length * percent) / 100) - 1] ?? Number.NaN
}

function middle(all: readonly number[]): number {
  return Number(percentile(all, 50).toFixed(1))
}

function range(all: readonly number[]): string {
  return `${Math.min(...all).toFixed(1)} … ${Math.max(...all).toFixed(1)}`
}
