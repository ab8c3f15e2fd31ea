import { sqlState } from '../event-log/database.js'
import { isClusterChange } from '../event-log/moved-log.js'
import { checkDatabase } from '../event-log/preflight.js'
import { rebaseLog } from '../event-log/rebase.js'
import { safeError } from '../foreign-errors.js'
import type { RelayContext } from './relay-context.js'
import { untilAborted } from './sleep.js'

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

/** However long some transaction holds the log, and however many rows there are. */
async function rebase(context: RelayContext): Promise<void> {
  const { db } = context.options
  const startedAt = performance.now()
  for (;;) {
    try {
      const done = await untilAborted(rebaseLog(db, db['~drizzle-outbox'].log.tables), context.aborting)
      if (done) context.events.emit({ type: 'rebased', durationMs: performance.now() - startedAt })
      return
    } catch (error) {
      if (sqlState(error) !== LOCK_NOT_AVAILABLE) throw error
      await context.pause('database', safeError(error))
    }
  }
}

const LOCK_NOT_AVAILABLE = '55P03'
