import { sql } from 'drizzle-orm'
import { type EventLog, query } from './database.js'
import { quoteIdentifier } from './tables.js'

/**
 * Tells whoever listens on the log's channel. By itself, not in a transaction that stores events: there, it would take
 * a lock that makes all transactions with a notification commit one after the other.
 */
export async function notify(log: EventLog, payload: string): Promise<void> {
  await query(log, sql`select pg_notify(${log.tables.channel}::text, ${payload}::text)`)
}

/** For a session of its own: notifications come to whoever holds it. */
export function listenStatement(channel: string): string {
  return `listen ${quoteIdentifier(channel)}`
}
