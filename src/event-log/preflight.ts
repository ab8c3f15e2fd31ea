import { sql } from 'drizzle-orm'
import { OutboxError, type OutboxErrorDetails } from '../errors.js'
import { type Database, query } from './database.js'

/**
 * Looks for what would make a relay lose or reorder events without any error.
 *
 * @throws `ERR_OUTBOX_DATABASE_UNFIT`, `ERR_OUTBOX_TABLES_MISSING`
 */
export async function checkDatabase(db: Database): Promise<void> {
  const [found] = await query<{ replica: string; hides_rows: string; sequence_cache: string }>(
    db,
    sql`
      select
        pg_is_in_recovery()::text as replica,
        row_security_active('outbox_events')::text as hides_rows,
        (select seqcache from pg_sequence
          where seqrelid = pg_get_serial_sequence('outbox_events', 'position')::regclass)::text as sequence_cache`,
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
}

function unfit(reason: OutboxErrorDetails['ERR_OUTBOX_DATABASE_UNFIT']['reason'], message: string) {
  return new OutboxError('ERR_OUTBOX_DATABASE_UNFIT', message, { reason })
}
