/** The database, whose transactions store events. */

import { drizzle } from 'drizzle-orm/node-postgres'
import { type TxOf, withOutbox } from 'drizzle-outbox'
import pg from 'pg'
import * as schema from './schema.js'

export type Db = ReturnType<typeof createDb>
export type Tx = TxOf<Db>

export function createDb(pool: pg.Pool) {
  return withOutbox(drizzle({ client: pool, schema }), { source: '/shop' })
}

export function createPool(databaseUrl: string): pg.Pool {
  const pool = new pg.Pool({ connectionString: databaseUrl, max: 20 })
  // Without a listener the loss of an idle connection ends the process.
  pool.on('error', (error) => console.error(`A connection was lost: ${error.message}`))
  return pool
}
