/** The worker: `drizzle-outbox relay` in this folder takes the events from the log to NATS JetStream. */
import { connect } from '@nats-io/transport-node'
import { defineConfig } from 'drizzle-outbox/config'
import { jetStreamPublisher } from 'drizzle-outbox/jetstream'
import { createDb, createPool } from './db.js'

const { DATABASE_URL, NATS_URL = 'nats://127.0.0.1:4222', STREAM = 'BOOKINGS' } = process.env

export default defineConfig({
  db: () => {
    const pool = createPool(DATABASE_URL)
    return { db: createDb(pool), close: () => pool.end() }
  },
  publisher: () =>
    jetStreamPublisher({
      // An outage of any length is survived, and its end is noticed soon.
      connection: () =>
        connect({ servers: NATS_URL, maxReconnectAttempts: -1, reconnectTimeWait: 250, timeout: 2_000 }),
      stream: { name: STREAM, create: true }, // in production make it yourself, with replicas
    }),
  relay: { name: 'bookings', listen: true, stopTimeoutMs: 10_000 },
  metrics: { port: 9464 }, // /healthz, /readyz, and with prom-client /metrics
})
