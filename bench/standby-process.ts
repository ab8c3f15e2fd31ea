/** A relay of `takeover.ts`: tells when it stands by, when it leads, and when it has published something. */
import { connect } from '@nats-io/transport-node'
import { drizzle } from 'drizzle-orm/node-postgres'
import { createRelay, withOutbox } from 'drizzle-outbox'
import { jetStreamPublisher } from 'drizzle-outbox/jetstream'
import pg from 'pg'
import { now } from './timed-relay.js'

const [databaseUrl = '', natsUrl = '', name = '', leaseMs = ''] = process.argv.slice(2)
const client = new pg.Pool({ connectionString: databaseUrl, max: 3 })
const publisher = jetStreamPublisher({
  connection: () => connect({ servers: natsUrl }),
  stream: { name, create: true },
  publishTimeoutMs: Number(leaseMs) / 2,
})
const db = withOutbox(drizzle({ client }), { source: '/bench' })
const relay = createRelay({ db, publisher, name, leaseMs: Number(leaseMs), retentionMs: false })
const tell = (what: 'ready' | 'leads' | 'published') => process.send?.({ what, at: now() })
relay.on('leaseAcquired', () => tell('leads'))
relay.on('published', () => tell('published'))
await relay.start()
tell('ready')
process.once('SIGTERM', async () => {
  await relay.stop()
  await client.end()
  process.disconnect()
})
