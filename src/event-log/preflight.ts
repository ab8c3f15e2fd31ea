import { sql } from 'drizzle-orm'
import { OutboxError, type OutboxErrorDetails } from '../errors.js'
import { type Database, query, type TextRow } from './database.js'

/**
 * Looks for what would make a relay lose or reorder events without any error.
 *
 * @throws `ERR_OUTBOX_DATABASE_UNFIT`, `ERR_OUTBOX_TABLES_MISSING`
 */
export async function checkDatabase(db: Database, relay: string): Promise<void> {
  const [found] = await query<Found>(
    db,
    sql`
      select
        pg_is_in_recovery()::text as replica,
        row_security_active('outbox_events')::text as hides_rows,
        (select seqcache from pg_sequence
          where seqrelid = pg_get_serial_sequence('outbox_events', 'position')::regclass)::text as sequence_cache,
        (select cluster = system_identifier::text from outbox_relays, pg_control_system()
          where name = ${relay}::text)::text as same_cluster,
        -- in the cluster that wrote it, a row that can be seen has an id below the snapshot's end
        exists (select from outbox_events where xid >= pg_snapshot_xmax(pg_current_snapshot()))::text as foreign_xids`,
  )
  if (found?.replica === 'true') throw unfit('replica', 'this is a replica; a relay must read the primary')
  if (found?.hides_rows === 'true')
    throw unfit(
      'row-level-security',
      'row-level security hides events of outbox_events from this role without an error; give the role BYPASSRLS or disable it on the table',
    )
  if (found?.sequence_cache !== '1')
    throw unfit(
      'sequence-cache',
      'the sequence of outbox_events.position has a cache, which breaks order; run: alter sequence outbox_events_position_seq cache 1',
    )
  if (found.same_cluster === 'false' || found.foreign_xids === 'true') throw clusterChanged(relay)
}

interface Found extends TextRow {
  readonly replica: string
  readonly hides_rows: string
  readonly sequence_cache: string
  /** Null: the relay is new. */
  readonly same_cluster: string | null
  readonly foreign_xids: string
}

/** Transaction ids do not survive a dump: a snapshot of other ids would skip events. */
export function clusterChanged(relay: string) {
  return unfit(
    'cluster-changed',
    `the log, or the checkpoint of relay ${relay}, comes from another database cluster (a restored dump, a migrated database), where transaction ids mean something else. To publish the whole log again, under the same message ids, run while nothing writes: begin; update outbox_events set xid = pg_current_xact_id(); delete from outbox_relays; commit`,
  )
}

function unfit(reason: OutboxErrorDetails['ERR_OUTBOX_DATABASE_UNFIT']['reason'], message: string) {
  return new OutboxError('ERR_OUTBOX_DATABASE_UNFIT', message, { reason })
}
