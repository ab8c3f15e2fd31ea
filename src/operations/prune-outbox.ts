import { setTimeout as sleep } from 'node:timers/promises'
import { invalidOption } from '../errors.js'
import { guardLog } from '../event-log/guarded-log.js'
import { DEFAULT_RETENTION_MS, pruneBatch } from '../event-log/retention.js'
import type { AnyOutboxDb } from '../transaction/outbox-db.js'

export interface PruneOptions {
  /** How old events must be, by the database's clock. `0`: whatever is published. Milliseconds. @default 604800000, 7 days */
  readonly olderThanMs?: number
  /** Told after each batch. */
  readonly onProgress?: (progress: PruneProgress) => void
  /** Ends it between two batches. */
  readonly signal?: AbortSignal
  /** A statement without an answer after so long counts as failed. Milliseconds. @default 30000 */
  readonly timeoutMs?: number
}

export interface PruneProgress {
  /** Deleted so far. */
  readonly events: number
  /** Position up to which the log was looked at. */
  readonly position: number
}

/**
 * Goes through the whole log and deletes what relays would delete in time: events that every relay has published, that are
 * old enough, and that are neither dead letters nor within a replay. In batches, each a statement of its own.
 *
 * @example
 * ```ts
 * const deleted = await pruneOutbox(db, { olderThanMs: 24 * 3_600_000 })
 * ```
 * @returns how many events were deleted.
 * @throws `ERR_OUTBOX_OPTION_INVALID`, `ERR_OUTBOX_TABLES_MISSING`, `ERR_OUTBOX_DATABASE_FAILED`,
 * `ERR_OUTBOX_DATABASE_TIMEOUT`, the signal's reason.
 */
export async function pruneOutbox(
  db: AnyOutboxDb,
  { olderThanMs = DEFAULT_RETENTION_MS, onProgress, signal, timeoutMs = 30_000 }: PruneOptions = {},
): Promise<number> {
  if (!(olderThanMs >= 0)) throw invalidOption('olderThanMs', 'must be a number of milliseconds, from 0')
  const log = guardLog(db['~drizzle-outbox'].log, timeoutMs)
  let events = 0
  for (let position = 0; ; ) {
    signal?.throwIfAborted()
    const pruned = await pruneBatch(log, position, olderThanMs)
    if (pruned.busy) await sleep(BUSY_PAUSE_MS)
    else if (pruned.last === undefined) return events
    else {
      events += pruned.events
      position = pruned.last
      onProgress?.({ events, position })
    }
  }
}

/** A relay is deleting a batch. */
const BUSY_PAUSE_MS = 50
