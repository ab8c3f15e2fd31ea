/**
 * How fast a backlog gets from the log into JetStream: our relay, the loop of blog posts (select 100, publish each and
 * wait, update), and the client publishing the same messages with nothing around it, acknowledged.
 *
 *   npx tsx bench/drain.ts [--events 50000] [--rounds 3]
 */
import { parseArgs } from 'node:util'
import { jetstream, jetstreamManager } from '@nats-io/jetstream'
import { connect, createInbox, type NatsConnection } from '@nats-io/transport-node'
import { sql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/node-postgres'
import { createRelay, migrateOutbox, withOutbox } from 'drizzle-outbox'
import { jetStreamPublisher } from 'drizzle-outbox/jetstream'
import pg from 'pg'
import { createDatabase, howToGetNats, startServers } from '../dev/servers/index.js'
import { rateOf, sideBySide } from './side-by-side.js'

const AGGREGATES = 5000
const WINDOW = 256

const { values } = parseArgs({
  options: { events: { type: 'string', default: '50000' }, rounds: { type: 'string', default: '3' } },
})
const events = Number(values.events)

const servers = await startServers()
if (servers.natsUrl === undefined) throw new Error(howToGetNats)
const database = await createDatabase(servers.databaseUrl)
const pool = new pg.Pool({ connectionString: database.url })
const db = withOutbox(drizzle({ client: pool }), { source: '/bench' })
const connection = await connect({ servers: servers.natsUrl })

await migrateOutbox(db)
await fillLog(events)
const runs: [string, (stream: string, round: number) => Promise<number>][] = [
  ['the loop of blog posts', runNaiveLoop],
  ['drizzle-outbox', runRelay],
  ['publishing alone', runPublishing],
]
await sideBySide(
  'events/s',
  runs.map(([name, run], index) => ({ name, run: (round) => withStream(`BENCH${index}`, round, run) })),
  Number(values.rounds),
)
await connection.close()
await pool.end()
await database.drop()
await servers.stop()

/** 300 bytes of data each. */
async function fillLog(count: number): Promise<void> {
  await db.execute(sql`
    insert into outbox_events (id, aggregate_type, aggregate_id, aggregate_version, type, data)
    select gen_random_uuid(), 'order', 'order-' || g % ${sql.raw(String(AGGREGATES))}, 1 + g / ${sql.raw(String(AGGREGATES))}, 'order.placed',
      json_build_object('customerId', 'ada', 'total', g, 'note', repeat('x', 250))
    from generate_series(0, ${sql.raw(String(count - 1))}) g`)
  await db.execute(sql`alter table outbox_events add column published boolean not null default false`)
  await db.execute(sql`create index unpublished on outbox_events (position) where not published`)
}

async function withStream(
  name: string,
  round: number,
  run: (stream: string, round: number) => Promise<number>,
) {
  const manager = await jetstreamManager(connection)
  await manager.streams.add({ name, subjects: [`${name.toLowerCase()}.>`] })
  const rate = await run(name, round)
  const { state } = await manager.streams.info(name)
  if (state.messages !== expected(name))
    throw new Error(`${name} holds ${state.messages} of ${events} events`)
  await manager.streams.delete(name)
  return rate
}

/** The loop is slow: a twentieth of the events gives its rate. */
function expected(stream: string): number {
  return stream === 'BENCH0' ? Math.ceil(events / 20) : events
}

function runRelay(stream: string, round: number): Promise<number> {
  const publisher = jetStreamPublisher({ connection, stream: { name: stream }, window: WINDOW })
  return rateOf(events, () => createRelay({ db, publisher, name: `${stream}-${round}` }).drain())
}

async function runNaiveLoop(stream: string): Promise<number> {
  await pool.query('update outbox_events set published = false where published')
  const js = jetstream(connection)
  const count = expected(stream)
  return rateOf(count, async () => {
    for (let left = count; left > 0; ) {
      const { rows } = await pool.query(
        `select position, id, data from outbox_events where not published order by position limit ${Math.min(100, left)}`,
      )
      for (const { id, data } of rows)
        await js.publish(`${stream.toLowerCase()}.order.placed`, JSON.stringify(data), { msgID: id })
      await pool.query('update outbox_events set published = true where position = any($1)', [
        rows.map(({ position }) => position),
      ])
      left -= rows.length
    }
  })
}

/** No log, no order, no headers but the id: what client and server can do with a window of messages in flight. */
async function runPublishing(stream: string): Promise<number> {
  const data = Buffer.from(JSON.stringify({ customerId: 'ada', total: 1, note: 'x'.repeat(250) }))
  return rateOf(events, () => publishAll(connection, `${stream.toLowerCase()}.order.placed`, data, events))
}

function publishAll(nats: NatsConnection, subject: string, data: Uint8Array, count: number): Promise<void> {
  return new Promise((resolve) => {
    const inbox = createInbox()
    let sent = 0
    let acknowledged = 0
    const subscription = nats.subscribe(inbox, {
      callback: () => {
        acknowledged++
        if (acknowledged === count) {
          subscription.unsubscribe()
          resolve()
        } else send()
      },
    })
    const send = () => {
      while (sent < count && sent - acknowledged < WINDOW) {
        sent++
        nats.publish(subject, data, { reply: inbox })
      }
    }
    send()
  })
}
