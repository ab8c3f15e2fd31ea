/**
 * How fast a backlog gets from the log into JetStream: our relay, without metrics and with them, the loop of blog posts
 * (select 100; publish each and wait; mark it), the same loop marking its 100 with one update, and the client alone
 * publishing the same messages, made beforehand, each acknowledgement matched to its message.
 *
 *   npm run build && npx tsx --tsconfig bench/tsconfig.json bench/drain.ts [--events 100000] [--rounds 3]
 *     [--aggregates 5000] [--only relay]
 */
import { parseArgs } from 'node:util'
import { jetstream, jetstreamManager } from '@nats-io/jetstream'
import { connect, createInbox, type MsgHdrs, type NatsConnection } from '@nats-io/transport-node'
import { sql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/node-postgres'
import { createRelay, migrateOutbox, withOutbox } from 'drizzle-outbox'
import { jetStreamPublisher } from 'drizzle-outbox/jetstream'
import { observeRelay } from 'drizzle-outbox/prometheus'
import { recordedEvents } from 'drizzle-outbox/testing'
import pg from 'pg'
import { createDatabase, howToGetNats, startServers } from '../dev/servers/index.js'
import { NatsHeaders } from '../src/cloudevents/nats-headers.js'
import { TextSlab } from '../src/cloudevents/text-slab.js'
import { rateOf, sideBySide } from './side-by-side.js'

const WINDOW = 256

const { values } = parseArgs({
  options: {
    events: { type: 'string', default: '100000' },
    rounds: { type: 'string', default: '3' },
    aggregates: { type: 'string', default: '5000' },
    only: { type: 'string', default: '' },
  },
})
const events = Number(values.events)
const aggregates = Number(values.aggregates)

const servers = await startServers()
if (servers.natsUrl === undefined) throw new Error(howToGetNats)
const database = await createDatabase(servers.databaseUrl)
const pool = new pg.Pool({ connectionString: database.url })
const db = withOutbox(drizzle({ client: pool }), { source: '/bench' })
const connection = await connect({ servers: servers.natsUrl })

await migrateOutbox(db)
await fillLog(events)
const runs: [string, (stream: string, round: number) => Promise<number>][] = [
  ['loop: publish, update, one by one', runLoop('one by one')],
  ['loop: one update for 100', runLoop('together')],
  ['relay', runRelay('aggregate')],
  ['relay, observed', runRelay('aggregate', { observed: true })],
  ['relay, ordering stream', runRelay('stream')],
  ['relay, fast ingest allowed', runRelay('aggregate')],
  ['publishing alone', runPublishing],
]
await sideBySide(
  'events/s',
  runs
    .filter(([name]) => new RegExp(values.only).test(name))
    .map(([name, run], index) => ({ name, run: (round) => withStream(`BENCH${index}`, name, round, run) })),
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
    select gen_random_uuid(), 'order', 'order-' || g % ${sql.raw(String(aggregates))}, 1 + g / ${sql.raw(String(aggregates))}, 'order.placed',
      json_build_object('customerId', 'ada', 'total', g, 'note', repeat('x', 250))
    from generate_series(0, ${sql.raw(String(count - 1))}) g`)
  // The loops mark what they have published, and leave dead rows behind: in a table of their own.
  await db.execute(sql`create table loop_events as select *, false as published from outbox_events`)
  await db.execute(sql`alter table loop_events add primary key (position)`)
  await db.execute(sql`create index unpublished on loop_events (position) where not published`)
  await db.execute(sql`vacuum analyze`)
}

async function withStream(
  name: string,
  variant: string,
  round: number,
  run: (stream: string, round: number) => Promise<number>,
) {
  const manager = await jetstreamManager(connection)
  const batches = variant.includes('fast ingest') ? { allow_batched: true } : {}
  await manager.streams.add({ name, subjects: [`${name.toLowerCase()}.>`], ...batches })
  const rate = await run(name, round)
  await manager.streams.delete(name)
  return rate
}

async function assertStored(stream: string, count: number): Promise<void> {
  const { state } = await (await jetstreamManager(connection)).streams.info(stream)
  if (state.messages !== count) throw new Error(`${stream} holds ${state.messages} of ${count} events`)
}

function runRelay(ordering: 'aggregate' | 'stream', { observed = false } = {}) {
  return async (stream: string, round: number): Promise<number> => {
    const publisher = jetStreamPublisher({ connection, stream: { name: stream }, window: WINDOW, ordering })
    const relay = createRelay({ db, publisher, name: `${stream}-${round}` })
    if (observed) observeRelay(relay)
    const rate = await rateOf(events, () => relay.drain())
    await assertStored(stream, events)
    return rate
  }
}

/** The loop is slow: a twentieth of the events gives its rate. */
function runLoop(marking: 'one by one' | 'together') {
  return async (stream: string): Promise<number> => {
    await pool.query('update loop_events set published = false where published')
    const js = jetstream(connection)
    const count = Math.ceil(events / 20)
    const mark = (positions: string[]) =>
      pool.query('update loop_events set published = true where position = any($1)', [positions])
    const rate = await rateOf(count, async () => {
      for (let left = count; left > 0; ) {
        const { rows } = await pool.query(
          `select position, id, data from loop_events where not published order by position limit ${Math.min(100, left)}`,
        )
        for (const { position, id, data } of rows) {
          await js.publish(`${stream.toLowerCase()}.order.placed`, JSON.stringify(data), { msgID: id })
          if (marking === 'one by one') await mark([position])
        }
        if (marking === 'together') await mark(rows.map(({ position }) => position))
        left -= rows.length
      }
    })
    await assertStored(stream, count)
    return rate
  }
}

/** No log, no order: what client and server can do with a window of messages in flight. */
async function runPublishing(stream: string): Promise<number> {
  const subject = `${stream.toLowerCase()}.order.placed`
  const headers = new NatsHeaders(new TextSlab())
  const messages = (await recordedEvents(db)).map((event) => ({
    data: Buffer.from(JSON.stringify(event.data)),
    headers: headers.encode(
      { ...event, data: '' },
      `Nats-Msg-Id: ${event.id}\r\nNats-Expected-Stream: ${stream}\r\n`,
    ),
  }))
  const rate = await rateOf(events, () => publishAll(connection, subject, messages))
  await assertStored(stream, events)
  return rate
}

function publishAll(
  nats: NatsConnection,
  subject: string,
  messages: readonly { readonly data: Uint8Array; readonly headers: Uint8Array }[],
): Promise<void> {
  return new Promise((resolve, reject) => {
    const inbox = createInbox()
    const waiting = new Set<number>()
    let sent = 0
    const subscription = nats.subscribe(`${inbox}.*`, {
      callback: (error, message) => {
        const { seq } = error ? { seq: 0 } : message.json<{ seq?: number }>()
        if (!seq || !waiting.delete(Number(message.subject.slice(inbox.length + 1)))) return reject(error)
        if (sent < messages.length) send()
        else if (waiting.size === 0) {
          subscription.unsubscribe()
          resolve()
        }
      },
    })
    const send = () => {
      while (sent < messages.length && waiting.size < WINDOW) {
        const { data, headers } = messages[sent]!
        waiting.add(sent)
        nats.publish(subject, data, {
          reply: `${inbox}.${sent++}`,
          headers: { encode: () => headers } as Partial<MsgHdrs> as MsgHdrs,
        })
      }
    }
    send()
  })
}
