import { isClusterChange } from '../event-log/moved-log.js'
import { checkDatabase } from '../event-log/preflight.js'
import { adoptUpgrade, rebaseLog } from '../event-log/rebase.js'
import type { AnyOutboxDb } from '../transaction/outbox-db.js'

export interface RebaseOptions {
  /**
   * The cluster was upgraded in place, by pg_upgrade, which keeps transaction ids: nothing but the name of the cluster
   * changes. Refused where ids say otherwise.
   *
   * @default false
   */
  readonly upgraded?: boolean
}

/**
 * Carries the checkpoints of all relays over into the database cluster that the log was moved to: by a dump that was
 * restored, or by logical replication. Each relay goes on exactly where it was. A relay that starts does this by itself;
 * call it where the relay's role may not lock the log or rewrite it, before relays start, or after pg_upgrade.
 *
 * Writers wait while it runs: it writes every row of the log anew, some 100,000 a second.
 *
 * @example
 * ```ts
 * await rebaseOutbox(db)
 * ```
 * @returns false if the log is of this cluster already.
 * @throws `ERR_OUTBOX_DATABASE_UNFIT` when `upgraded` is not so, when events were recorded here at positions that others
 * had before (`positions-taken`), or when the role may not do it; `ERR_OUTBOX_TABLES_MISSING`; `ERR_OUTBOX_DATABASE_FAILED`
 * with `sqlState` `55P03` while a transaction holds the log: try again.
 */
export async function rebaseOutbox(
  db: AnyOutboxDb,
  { upgraded = false }: RebaseOptions = {},
): Promise<boolean> {
  const { log } = db['~drizzle-outbox']
  try {
    await checkDatabase(log)
    return false
  } catch (error) {
    if (!isClusterChange(error)) throw error
  }
  if (!upgraded) return rebaseLog(db, log.tables)
  await adoptUpgrade(log)
  return true
}
