/** A relay of a campaign. Ends in order on SIGTERM; otherwise it is for the nemesis to end it. */
import { setTimeout as sleep } from 'node:timers/promises'
import { connect } from '@nats-io/transport-node'
import { drizzle } from 'drizzle-orm/node-postgres'
import { createRelay, withOutbox } from 'drizzle-outbox'
import { jetStreamPublisher } from 'drizzle-outbox/jetstream'
import pg from 'pg'
import { IMPATIENT } from '../../impatient.js'

export interface RelayProgramOptions {
  readonly databaseUrl: string
  readonly natsUrl: string
  readonly stream: string
  readonly ordering: 'aggregate' | 'stream'
  readonly leaseMs: number
  readonly publishTimeoutMs: number
  readonly maxPollMs: number
  readonly batchSize: number
  readonly window: number
  readonly listens: boolean
}

/** Each with `at`: milliseconds since 1970. */
export type RelayTold =
  | { readonly type: 'ready' | 'lost' }
  | { readonly type: 'leads'; readonly epoch: number }
  | { readonly type: 'published'; readonly count: number; readonly duplicates: number }
  | { readonly type: 'memory'; readonly peakBytes: number }
  | { readonly type: 'paused'; readonly reason: string }

const options: RelayProgramOptions = JSON.parse(process.argv[2] ?? '')
const { databaseUrl, natsUrl, stream, ordering, leaseMs, publishTimeoutMs, window } = options

const tell = (told: RelayTold) => console.log(JSON.stringify({ at: Date.now(), ...told }))
const tellMemory = () => tell({ type: 'memory', peakBytes: process.resourceUsage().maxRSS * 1024 })

const pool = new pg.Pool({
  connectionString: databaseUrl,
  max: 4,
  query_timeout: leaseMs,
  connectionTimeoutMillis: leaseMs,
})
const relay = createRelay({
  db: withOutbox(drizzle({ client: pool }), { source: '/faults' }),
  name: stream,
  batchSize: options.batchSize,
  leaseMs,
  maxPollMs: options.maxPollMs,
  listen: options.listens,
  heartbeatMs: leaseMs,
  minBackoffMs: 10,
  maxBackoffMs: 200,
  publisher: jetStreamPublisher({
    connection: () => connect({ servers: natsUrl, ...IMPATIENT, pingInterval: publishTimeoutMs }),
    stream: { name: stream, allow: ['duplicate-window'] },
    ordering,
    publishTimeoutMs,
    window,
  }),
})
relay.on('leaseAcquired', ({ epoch }) => tell({ type: 'leads', epoch }))
relay.on('leaseLost', () => tell({ type: 'lost' }))
relay.on('published', ({ count, duplicates }) => tell({ type: 'published', count, duplicates }))
relay.on('paused', ({ by, error }) => tell({ type: 'paused', reason: `${by}: ${error.message}` }))
relay.on('refused', ({ error }) => tell({ type: 'paused', reason: error.message }))
setInterval(tellMemory, 500)

process.once('SIGTERM', async () => {
  await relay.stop()
  tellMemory()
  process.exit()
})
for (;;) {
  try {
    await relay.start()
    break
  } catch (error) {
    tell({ type: 'paused', reason: `start: ${error}` })
    await sleep(50) // as whoever runs it in production would start it again
  }
}
tell({ type: 'ready' })
