import { sql } from 'drizzle-orm'
import { OutboxError, type OutboxErrorDetails } from '../errors.js'
import { type EventLog, query, type TextRow } from './database.js'
import { parseVersion, SCHEMA_VERSION, versionOf } from './schema-version.js'
import type { OutboxTables } from './tables.js'

/**
 * Looks for what would make a relay lose or reorder events without any error.
 *
 * @throws `ERR_OUTBOX_DATABASE_UNFIT`, `ERR_OUTBOX_SCHEMA_VERSION`, `ERR_OUTBOX_TABLES_MISSING`
 */
export async function checkDatabase(log: EventLog, relay: string): Promise<void> {
  const { tables } = log
  const { events } = tables.names
  const [found] = await query<Found>(
    log,
    sql`
      select
        pg_is_in_recovery()::text as replica,
        row_security_active(${events}::text)::text as hides_rows,
        (select seqcache from pg_sequence
          where seqrelid = pg_get_serial_sequence(${events}::text, 'position')::regclass)::text as sequence_cache,
        (select cluster = system_identifier::text from ${tables.relays}, pg_control_system()
          where name = ${relay}::text)::text as same_cluster,
        -- in the cluster that wrote it, a row that can be seen has an id below the snapshot's end
        exists (
          select from ${tables.events} where xid >= pg_snapshot_xmax(pg_current_snapshot())
        )::text as foreign_xids,
        (${versionOf(tables)})::text as schema_version`,
  )
  checkSchemaVersion(parseVersion(found?.schema_version))
  if (found?.replica === 'true') throw unfit('replica', 'this is a replica; a relay must read the primary')
  if (found?.hides_rows === 'true')
    throw unfit(
      'row-level-security',
      `row-level security hides events of ${events} from this role without an error; give the role BYPASSRLS or disable it on the table`,
    )
  if (found?.sequence_cache !== '1')
    throw unfit(
      'sequence-cache',
      `the sequence of ${events}.position has a cache, which breaks order; run: alter table ${events} alter column position set cache 1`,
    )
  if (found.same_cluster === 'false' || found.foreign_xids === 'true') throw clusterChanged(tables, relay)
}

interface Found extends TextRow {
  readonly replica: string
  readonly hides_rows: string
  readonly sequence_cache: string
  /** Null: the relay is new. */
  readonly same_cluster: string | null
  readonly foreign_xids: string
  /** Null: the tables are from before they said so. */
  readonly schema_version: string | null
}

function checkSchemaVersion(found: number): void {
  if (found === SCHEMA_VERSION) return
  const advice =
    found < SCHEMA_VERSION
      ? 'call migrateOutbox(db), or generate and apply the migration with your own drizzle-kit'
      : 'a later drizzle-outbox has migrated them; update this one'
  throw new OutboxError(
    'ERR_OUTBOX_SCHEMA_VERSION',
    `the outbox tables are at version ${found}, this drizzle-outbox needs ${SCHEMA_VERSION}: ${advice}`,
    { found, expected: SCHEMA_VERSION },
  )
}

/** Transaction ids do not survive a dump: a snapshot of other ids would skip events. */
export function clusterChanged({ names: { events, relays } }: OutboxTables, relay: string) {
  return unfit(
    'cluster-changed',
    `the log, or the checkpoint of relay ${relay}, comes from another database cluster (a restored dump, a migrated database), where transaction ids mean something else. To publish the whole log again, under the same message ids, run while nothing writes: begin; update ${events} set xid = pg_current_xact_id(); delete from ${relays}; commit`,
  )
}

function unfit(reason: OutboxErrorDetails['ERR_OUTBOX_DATABASE_UNFIT']['reason'], message: string) {
  return new OutboxError('ERR_OUTBOX_DATABASE_UNFIT', message, { reason })
}
