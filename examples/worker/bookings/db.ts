/** The database, whose transactions store events. The HTTP service and the worker both use it. */
import { drizzle } from 'drizzle-orm/node-postgres'
import { type TxOf, withOutbox } from 'drizzle-outbox'
import pg from 'pg'
import { currentRequestId } from './request-id.js'
import * as schema from './schema.js'

export type Db = ReturnType<typeof createDb>
export type Tx = TxOf<Db>

export function createDb(pool: pg.Pool) {
  return withOutbox(drizzle({ client: pool, schema }), {
    source: '/bookings',
    notify: true, // the worker is in another process: a commit wakes it
    metadata: () => {
      const requestId = currentRequestId.getStore()
      return requestId === undefined ? {} : { correlationId: requestId }
    },
  })
}

export function createPool(databaseUrl: string | undefined): pg.Pool {
  const pool = new pg.Pool({ connectionString: databaseUrl, max: 10 })
  // Without a listener the loss of an idle connection ends the process.
  pool.on('error', (error) => console.error(`A connection was lost: ${error.message}`))
  return pool
}
