import { deleteRelay } from '../event-log/forget-relay.js'
import type { AnyOutboxDb } from '../transaction/outbox-db.js'

/**
 * Forgets a relay that is not going to run any more: its place in the log and its dead letters. Until then, the log keeps
 * everything that it has not published. If it does run again, it publishes what the log retains from the beginning.
 *
 * @example
 * ```ts
 * await forgetRelay(db, 'kafka-trial')
 * ```
 * @returns false if there is no relay of that name.
 * @throws `ERR_OUTBOX_RELAY_ACTIVE` while one holds its lease, `ERR_OUTBOX_TABLES_MISSING`.
 */
export async function forgetRelay(db: AnyOutboxDb, name: string): Promise<boolean> {
  return deleteRelay(db['~drizzle-outbox'].log, name)
}
