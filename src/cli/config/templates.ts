/** What `init` writes. */

/** What the two files import. */
export const PACKAGES = [
  'drizzle-outbox',
  'drizzle-orm',
  'pg',
  'zod',
  '@nats-io/transport-node',
  '@nats-io/jetstream',
] as const

export const CONFIG_TEMPLATE = `import { connect } from '@nats-io/transport-node'
import { drizzle } from 'drizzle-orm/node-postgres'
import { withOutbox } from 'drizzle-outbox'
import { defineConfig } from 'drizzle-outbox/config'
import { jetStreamPublisher } from 'drizzle-outbox/jetstream'
import pg from 'pg'

// For the drizzle-outbox command, which runs the relay and looks after the log. Flags and OUTBOX_… variables of the
// environment come before what is said here.
export default defineConfig({
  // The database. If your application has a module for it, take that: () => import('./src/db.js').then(({ db }) => db)
  db: () => {
    const client = new pg.Pool({ connectionString: process.env.DATABASE_URL })
    const db = withOutbox(drizzle({ client }), {
      source: '/my-service', // the CloudEvents source of every event: a URI for this application. Keep it.
      // tables: { schema: 'messaging', prefix: 'shop_' }, // default: outbox_… in the search path
    })
    return { db, close: () => client.end() }
  },

  // Where events go.
  publisher: () =>
    jetStreamPublisher({
      connection: () =>
        connect({ servers: process.env.NATS_URL ?? 'localhost:4222', maxReconnectAttempts: -1 }),
      // The relay makes the stream if it is missing. In production make it yourself, with replicas: \`create: false\`.
      stream: { name: 'EVENTS', create: true },
      // ordering: 'stream', // the whole stream in the order of the log; nobody else may write to it
    }),

  relay: {
    name: 'default', // its checkpoint: relays of another name publish the whole log once more
    // listen: true, // woken by writers whose withOutbox says notify: true. Not through PgBouncer.
    // maxPollMs: 500, // how long an event waits in an idle log, at most
    // stopTimeoutMs: 10_000, // after SIGTERM; less than whoever stops it waits before SIGKILL
  },

  // /healthz and /readyz for probes, and /metrics for Prometheus after \`npm install prom-client\`.
  // metrics: { port: 9464, host: '0.0.0.0' }, // default: 127.0.0.1 only
})
`

export const EXAMPLE_FILE = 'outbox.example.mjs'

export const EXAMPLE_TEMPLATE = `// Stores a first event. Not needed any more once your own code does; delete it.
import { drizzle } from 'drizzle-orm/node-postgres'
import { defineEvents, withOutbox } from 'drizzle-outbox'
import pg from 'pg'
import { z } from 'zod'

const orderEvents = defineEvents('order', {
  placed: z.object({ customerId: z.string(), total: z.int() }),
})

const client = new pg.Pool({ connectionString: process.env.DATABASE_URL })
const db = withOutbox(drizzle({ client }), { source: '/my-service' })

await db.transaction(async (tx) => {
  // … what changes the state, through tx …
  tx.outbox.add(orderEvents.placed('1', { customerId: 'ada', total: 4200 }))
})
console.log('stored: order.placed of order 1')
await client.end()
`
