import { sql } from 'drizzle-orm'
import { type EventLog, query, type TextRow } from './database.js'

/** What matters of the server and the database, for a diagnosis. */
export interface DatabaseFacts {
  /** `15.14` */
  readonly version: string
  readonly role: string
  readonly isReplica: boolean
  readonly fsync: boolean
  readonly fullPageWrites: boolean
  readonly autovacuum: boolean
  /** `on`, `off`, `local`, … as this role's sessions have it. */
  readonly synchronousCommit: string
  readonly now: Date
  /** Whether the role sees what others do. */
  readonly seesOthers: boolean
  /** Transactions that are open longest, the oldest first; those of other roles only if they can be seen. */
  readonly oldTransactions: readonly OldTransaction[]
}

export interface OldTransaction {
  /** What ends it. */
  readonly remedy: string
  readonly ageMs: number
  /** `idle in transaction, of role shop`, `prepared transaction x` */
  readonly what: string
}

/** @param minAgeMs How old a transaction is to be told of. */
export async function readDatabaseFacts(log: EventLog, minAgeMs: number): Promise<DatabaseFacts> {
  const [row] = await query<FactsRow>(
    log,
    sql`
      select current_setting('server_version') as version, current_user::text as role,
        pg_is_in_recovery()::text as replica, current_setting('fsync') as fsync,
        current_setting('full_page_writes') as full_page_writes, current_setting('autovacuum') as autovacuum,
        current_setting('synchronous_commit') as synchronous_commit,
        (extract(epoch from clock_timestamp()) * 1000)::text as now,
        pg_has_role('pg_read_all_stats', 'usage')::text as sees_others`,
  )
  if (row === undefined) throw new Error('no facts')
  return {
    version: row.version,
    role: row.role,
    isReplica: row.replica === 'true',
    fsync: row.fsync === 'on',
    fullPageWrites: row.full_page_writes === 'on',
    autovacuum: row.autovacuum === 'on',
    synchronousCommit: row.synchronous_commit,
    now: new Date(Number(row.now)),
    seesOthers: row.sees_others === 'true',
    oldTransactions: await readOldTransactions(log, minAgeMs),
  }
}

/** All that keep dead rows from being removed: of this database, and replication slots with them. */
async function readOldTransactions(log: EventLog, minAgeMs: number): Promise<OldTransaction[]> {
  const rows = await query<{ what: string; remedy: string; age: string }>(
    log,
    sql`
      select what, remedy, (extract(epoch from age) * 1000)::bigint::text as age
      from (
        select state || ', of role ' || usename || ' (' || coalesce(nullif(application_name, ''), 'no name') || ')' as what,
          'select pg_terminate_backend(' || pid || ')' as remedy, clock_timestamp() - xact_start as age
        from pg_stat_activity where datname = current_database() and xact_start is not null and pid <> pg_backend_pid()
        union all
        select 'prepared transaction ' || gid, 'rollback prepared ' || quote_literal(gid), clock_timestamp() - prepared
        from pg_prepared_xacts where database = current_database()
      ) transaction
      where age >= ${String(minAgeMs)}::text::float * interval '1 millisecond'
      order by age desc limit 5`,
  )
  return rows.map(({ what, remedy, age }) => ({ what, remedy, ageMs: Number(age) }))
}

interface FactsRow extends TextRow {
  readonly version: string
  readonly role: string
  readonly replica: string
  readonly fsync: string
  readonly full_page_writes: string
  readonly autovacuum: string
  readonly synchronous_commit: string
  readonly now: string
  readonly sees_others: string
}
