import { sql } from 'drizzle-orm'
import { type EventLog, query, type TextRow } from './database.js'

const PRIVILEGES = ['select', 'insert', 'update', 'delete'] as const
export type Privilege = (typeof PRIVILEGES)[number]

export type TableKey = 'events' | 'aggregates' | 'relays' | 'deadLetters'

/** What matters of one table, for a diagnosis. */
export interface TableFacts {
  /** As it stands in SQL. */
  readonly name: string
  /** Of this role; insert and update be it for some columns only. */
  readonly privileges: ReadonlySet<Privilege>
  /** Row-level security applies to this role, and may hide rows. */
  readonly hidesRows: boolean
  /** False: somebody has switched it off for this table. */
  readonly autovacuum: boolean
  readonly liveRows: number
  readonly deadRows: number
}

export async function readTableFacts(log: EventLog, table: TableKey): Promise<TableFacts> {
  const name = log.tables.names[table]
  const [row] = await query<FactsRow>(
    log,
    sql`
      select row_security_active(oid)::text as hides_rows,
        has_table_privilege(oid, 'select')::text as can_select,
        has_any_column_privilege(oid, 'insert')::text as can_insert,
        has_any_column_privilege(oid, 'update')::text as can_update, has_table_privilege(oid, 'delete')::text as can_delete,
        (not coalesce(reloptions @> array['autovacuum_enabled=false'], false))::text as autovacuum,
        coalesce(pg_stat_get_live_tuples(oid), 0)::text as live, coalesce(pg_stat_get_dead_tuples(oid), 0)::text as dead
      from pg_class where oid = ${name}::text::regclass`,
  )
  return {
    name,
    privileges: new Set(PRIVILEGES.filter((privilege) => row?.[`can_${privilege}`] === 'true')),
    hidesRows: row?.hides_rows === 'true',
    autovacuum: row?.autovacuum === 'true',
    liveRows: Number(row?.live),
    deadRows: Number(row?.dead),
  }
}

/** The role of this session, as it stands in SQL. */
export async function readRole(log: EventLog): Promise<string> {
  const [row] = await query<{ role: string }>(log, sql`select quote_ident(current_user) as role`)
  return row!.role
}

/** How many positions a session takes from the sequence at a time. More than 1 breaks order. */
export async function readSequenceCache(log: EventLog): Promise<number> {
  const { events } = log.tables.names
  const [row] = await query<{ cache: string }>(
    log,
    sql`
      select seqcache::text as cache from pg_sequence
      where seqrelid = pg_get_serial_sequence(${events}::text, 'position')::regclass`,
  )
  return Number(row?.cache)
}

interface FactsRow extends TextRow {
  readonly can_select: string
  readonly can_insert: string
  readonly can_update: string
  readonly can_delete: string
  readonly hides_rows: string
  readonly autovacuum: string
  readonly live: string
  readonly dead: string
}
