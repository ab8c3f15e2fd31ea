import { isOutboxError } from '../errors.js'
import { guardLog } from '../event-log/guarded-log.js'
import { checkDatabase } from '../event-log/preflight.js'
import { rebaseLog } from '../event-log/rebase.js'
import type { RelayContext } from './relay-context.js'

/**
 * Finds out whether the log can be read without losing events, and carries checkpoints over that come from another
 * database cluster.
 *
 * @throws `ERR_OUTBOX_DATABASE_UNFIT`, `ERR_OUTBOX_SCHEMA_VERSION`, `ERR_OUTBOX_TABLES_MISSING`, and what the database
 * throws.
 */
export async function prepareDatabase(context: RelayContext): Promise<void> {
  try {
    await checkDatabase(context.log)
  } catch (error) {
    if (!isClusterChange(error)) throw error
    await rebase(context)
    await checkDatabase(context.log)
  }
}

export function isClusterChange(error: unknown): boolean {
  return (
    isOutboxError(error) &&
    error.code === 'ERR_OUTBOX_DATABASE_UNFIT' &&
    error.details.reason === 'cluster-changed'
  )
}

async function rebase({ options, aborting, events }: RelayContext): Promise<void> {
  const startedAt = performance.now()
  // Every row of the log is written anew, however many there are.
  await rebaseLog(guardLog(options.db['~drizzle-outbox'].log, REBASE_TIMEOUT_MS, aborting))
  events.emit({ type: 'rebased', durationMs: performance.now() - startedAt })
}

const REBASE_TIMEOUT_MS = 3_600_000
