import { sql } from 'drizzle-orm'
import { OutboxError, type OutboxErrorDetails } from '../errors.js'
import { type EventLog, query, type TextRow } from './database.js'
import { clusterChanged, isMoved } from './moved-log.js'
import { parseVersion, SCHEMA_VERSION, versionOf } from './schema-version.js'

/**
 * Looks for what would make a relay lose or reorder events without any error.
 *
 * @throws `ERR_OUTBOX_DATABASE_UNFIT`, `ERR_OUTBOX_SCHEMA_VERSION`, `ERR_OUTBOX_TABLES_MISSING`
 */
export async function checkDatabase(log: EventLog): Promise<void> {
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
        ${isMoved(tables)}::text as moved,
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
  if (found.moved === 'true') throw clusterChanged(tables)
}

interface Found extends TextRow {
  readonly replica: string
  readonly hides_rows: string
  readonly sequence_cache: string
  readonly moved: string
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

function unfit(reason: OutboxErrorDetails['ERR_OUTBOX_DATABASE_UNFIT']['reason'], message: string) {
  return new OutboxError('ERR_OUTBOX_DATABASE_UNFIT', message, { reason })
}
