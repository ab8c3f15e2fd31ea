/**
 * The most memory that a worker takes: while it publishes a long backlog, and over an outage of its broker during which
 * events are recorded all the time.
 *
 *   npm run build && npx tsx --tsconfig bench/tsconfig.json bench/memory.ts [--events 1000000] [--minutes 10] [--rate 500]
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { type SQL, sql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/node-postgres'
import { migrateOutbox, withOutbox } from 'drizzle-outbox'
import pg from 'pg'
import {
  createDatabase,
  findNatsServer,
  howToGetNats,
  startNats,
  startServers,
} from '../dev/servers/index.js'

const { values } = parseArgs({
  options: {
    events: { type: 'string', default: '1000000' },
    minutes: { type: 'string', default: '10' },
    rate: { type: 'string', default: '500' },
  },
})
const binary = await findNatsServer()
if (binary === undefined) throw new Error(howToGetNats)
const servers = await startServers()
const nats = await startNats({ binary })
const database = await createDatabase(servers.databaseUrl)
const client = new pg.Pool({ connectionString: database.url })
const db = withOutbox(drizzle({ client }), { source: '/bench' })
await migrateOutbox(db)

const backlog = Number(values.events)
await record(sql`${backlog}::int`)
const draining = startRelay('BACKLOG')
await draining.published(backlog)
const whileDraining = await draining.end()

await db.execute(sql`truncate outbox_events`)
const rate = Number(values.rate)
const seconds = 60 * Number(values.minutes)
const away = startRelay('OUTAGE')
await record(sql`${rate}::int`)
await away.published(rate)
await nats.kill()
for (let second = 0; second < seconds; second++) {
  await record(sql`${rate}::int`)
  await sleep(1000)
}
await nats.restart()
await away.published(rate * (1 + seconds))
const overAnOutage = await away.end()

console.table([
  { what: `${backlog} events in one go`, 'most memory, MB': whileDraining },
  {
    what: `${values.minutes} minutes without a broker, ${rate} events a second`,
    'most memory, MB': overAnOutage,
  },
])
await client.end()
await database.drop()
await nats.stop()
await servers.stop()

/** 300 bytes of data each, in transactions of one statement. */
function record(count: SQL) {
  return db.execute(sql`
    insert into outbox_events (id, aggregate_type, aggregate_id, aggregate_version, type, data)
    select gen_random_uuid(), 'order', 'order-' || g % 5000, 1 + g / 5000, 'order.placed',
      json_build_object('customerId', 'ada', 'total', g, 'note', repeat('x', 250))
    from generate_series(1, ${count}) g`)
}

function startRelay(stream: string) {
  const script = fileURLToPath(new URL('memory-process.ts', import.meta.url))
  const relay = fork(script, [database.url, nats.url, stream])
  let published = 0
  relay.on('message', (message: { published?: number }) => {
    published += message.published ?? 0
  })
  return {
    published: async (count: number) => {
      while (published < count) await once(relay, 'message')
    },
    end: async (): Promise<number> => {
      relay.send('end')
      for (;;) {
        const [message] = await once(relay, 'message')
        if ('peak' in message) return message.peak
      }
    },
  }
}
