import { guardLog } from '../event-log/guarded-log.js'
import {
  type LogSize,
  type RelayProgress,
  readLogSize,
  readRelayNames,
  readRelayProgress,
} from '../event-log/log-statistics.js'
import { DEFAULT_RETENTION_MS } from '../event-log/retention.js'
import type { AnyOutboxDb } from '../transaction/outbox-db.js'

export interface OutboxStatus {
  readonly log: LogSize
  /** Every relay that ever ran on this log and was not forgotten, by name. */
  readonly relays: readonly RelayStatistics[]
}

export interface RelayStatistics extends RelayProgress {
  /** Whether events older than `retentionMs` stay in the log because this relay has not published them. */
  readonly holdsRetentionBack: boolean
}

export interface OutboxStatusOptions {
  /** What the relays' own option says. Milliseconds. @default 604800000, 7 days */
  readonly retentionMs?: number
  /** A statement without an answer after so long counts as failed. Milliseconds. @default 30000 */
  readonly timeoutMs?: number
}

/**
 * How long the log is and how far each relay is behind, as the database has it: of all relays, wherever they run. What
 * is pending is counted, at about a second for a million events; nothing else of the log is looked at.
 *
 * @example
 * ```ts
 * const { relays } = await readOutboxStatus(db)
 * for (const { name, pendingEvents, oldestPendingAgeMs = 0 } of relays)
 *   console.log(`${name}: ${pendingEvents} pending, for ${oldestPendingAgeMs} ms`)
 * ```
 * @throws `ERR_OUTBOX_TABLES_MISSING`, `ERR_OUTBOX_DATABASE_FAILED`, `ERR_OUTBOX_DATABASE_TIMEOUT`
 */
export async function readOutboxStatus(
  db: AnyOutboxDb,
  { retentionMs = DEFAULT_RETENTION_MS, timeoutMs = 30_000 }: OutboxStatusOptions = {},
): Promise<OutboxStatus> {
  const log = guardLog(db['~drizzle-outbox'].log, timeoutMs)
  const relays: RelayStatistics[] = []
  for (const name of await readRelayNames(log)) {
    const progress = await readRelayProgress(log, name)
    if (progress === undefined) continue // forgotten meanwhile
    const { oldestPendingAgeMs } = progress
    const holdsRetentionBack = oldestPendingAgeMs !== undefined && oldestPendingAgeMs > retentionMs
    relays.push({ ...progress, holdsRetentionBack })
  }
  return { log: await readLogSize(log), relays }
}
