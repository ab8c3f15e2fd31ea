import { sql } from 'drizzle-orm'
import { type EventLog, query } from './database.js'

/**
 * Marks the transaction on a connection, as its first statement. It has no effect outside a transaction, so a mark that
 * arrives after the transaction was lost is simply not there, and whatever asks for it fails. `set`, not a `select` of
 * `set_config`: after a query no isolation level can be chosen any more.
 *
 * @param value A UUID.
 */
export function fenceStatement(value: string): string {
  return `set local outbox.tx = '${value}'`
}

/** Whether the transaction, marked if a mark is given, is still the one on this connection. Fails if it is aborted. */
export async function holdsFence(log: EventLog, value: string | undefined): Promise<boolean> {
  const holds = value === undefined ? sql`true` : sql`current_setting('outbox.tx', true) = ${value}::text`
  const [row] = await query<{ holds: string | null }>(log, sql`select (${holds})::text as holds`)
  return row?.holds === 'true'
}
