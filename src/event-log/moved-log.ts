import { type SQL, sql } from 'drizzle-orm'
import { OutboxError } from '../errors.js'
import type { OutboxTables } from './tables.js'

/**
 * Whether checkpoints, or rows of the log, were written in another database cluster than this one. Transaction ids do not
 * survive a dump or a logical replication: there they mean something else, and a checkpoint that is compared with them
 * would skip events.
 */
export function isMoved({ events, relays }: OutboxTables): SQL {
  return sql`(
    exists (select from ${relays} where not (${isOfThisCluster}))
    -- in the cluster that wrote it, a row that can be seen has an id below the snapshot's end
    or exists (select from ${events} where xid >= pg_snapshot_xmax(pg_current_snapshot())))`
}

/** Of a relay's row: it may be led here. A connection may end up in another cluster while a relay runs. */
export const isOfThisCluster = sql`cluster = (select system_identifier::text from pg_control_system())`

export function clusterChanged({ names: { events } }: OutboxTables) {
  return new OutboxError(
    'ERR_OUTBOX_DATABASE_UNFIT',
    `${events}, or a checkpoint, comes from another database cluster (a restored dump, a logical replica), where transaction ids mean something else: rebaseOutbox(db), or \`npx drizzle-outbox rebase\`, carries the checkpoints over, as the owner of the tables`,
    { reason: 'cluster-changed' },
  )
}

export function isClusterChange(error: unknown): boolean {
  const { code, details } = error as Partial<OutboxError<'ERR_OUTBOX_DATABASE_UNFIT'>>
  return code === 'ERR_OUTBOX_DATABASE_UNFIT' && details?.reason === 'cluster-changed'
}
