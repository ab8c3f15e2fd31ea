import { sql } from 'drizzle-orm'
import { type Database, query } from './database.js'

/**
 * Marks the transaction on this connection. `set local` has no effect outside a transaction, so a mark that arrives
 * after the transaction was lost is simply not there, and whatever asks for it fails.
 */
export async function setFence(db: Database, value: string): Promise<void> {
  await query(db, sql`select set_config('outbox.tx', ${value}::text, true)`)
}

/** Whether the marked transaction is still the one on this connection. Fails if the transaction is aborted. */
export async function holdsFence(db: Database, value: string | undefined): Promise<boolean> {
  if (value === undefined) return (await query(db, sql`select 1::text as alive`)).length === 1
  const [row] = await query<{ holds: string | null }>(
    db,
    sql`select (current_setting('outbox.tx', true) = ${value}::text)::text as holds`,
  )
  return row?.holds === 'true'
}
