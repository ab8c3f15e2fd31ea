/** The relay of `latency.ts` in a process of its own: says `ready`, then what was acknowledged, until it is told to stop. */
import { drizzle } from 'drizzle-orm/node-postgres'
import { withOutbox } from 'drizzle-outbox'
import pg from 'pg'
import { startTimedRelay } from './timed-relay.js'

const [databaseUrl = '', natsUrl = '', options = '{}'] = process.argv.slice(2)
const client = new pg.Pool({ connectionString: databaseUrl })
const db = withOutbox(drizzle({ client }), { source: '/bench' })
const stop = await startTimedRelay(db, natsUrl, JSON.parse(options), (acknowledged) =>
  process.send?.(acknowledged),
)
process.once('message', async () => {
  await stop()
  await client.end()
  process.disconnect()
})
process.send?.('ready')
