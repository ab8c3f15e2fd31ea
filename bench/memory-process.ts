/** A relay of `memory.ts`: says `published` and how many, and at its end the most memory that it had, in MB. */
import { readFile } from 'node:fs/promises'
import { connect } from '@nats-io/transport-node'
import { drizzle } from 'drizzle-orm/node-postgres'
import { createRelay, withOutbox } from 'drizzle-outbox'
import { jetStreamPublisher } from 'drizzle-outbox/jetstream'
import pg from 'pg'

const [databaseUrl = '', natsUrl = '', stream = ''] = process.argv.slice(2)
const client = new pg.Pool({ connectionString: databaseUrl })
const publisher = jetStreamPublisher({
  connection: () =>
    connect({ servers: natsUrl, maxReconnectAttempts: -1, reconnectTimeWait: 250, timeout: 2000 }),
  stream: { name: stream, create: true },
})
const db = withOutbox(drizzle({ client }), { source: '/bench' })
const relay = createRelay({ db, publisher, name: stream })
relay.on('published', ({ count }) => process.send?.({ published: count }))
await relay.start()
process.once('message', async () => {
  await relay.stop()
  await client.end()
  // "High water mark" (proc(5)), which Linux has.
  const status = await readFile('/proc/self/status', 'utf8').catch(() => '')
  const peak = Number(/VmHWM:\s*(\d+) kB/.exec(status)?.[1] ?? Number.NaN) / 1024
  process.send?.({ peak: Math.round(peak) }, () => process.disconnect())
})
