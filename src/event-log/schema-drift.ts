import { type SQL, sql } from 'drizzle-orm'
import { getTableConfig, type PgTable } from 'drizzle-orm/pg-core'
import { type EventLog, query, type TextRow } from './database.js'
import { createOutboxTables } from './schema.js'

/**
 * How the tables in the database differ from those that this release expects, one sentence for each. What an application
 * has added is its own business, unless it stands in the way.
 */
export async function findSchemaDrift(log: EventLog): Promise<string[]> {
  const { schema, prefix, names } = log.tables
  const tables = createOutboxTables({ schema, prefix })
  const drift = [
    await driftOf(log, names.events, tables.outboxEvents),
    await driftOf(log, names.aggregates, tables.outboxAggregates),
    await driftOf(log, names.relays, tables.outboxRelays),
    await driftOf(log, names.deadLetters, tables.outboxDeadLetters),
  ]
  return drift.flat()
}

/** @param name As it stands in SQL. */
async function driftOf(log: EventLog, name: string, table: PgTable): Promise<string[]> {
  const { columns, indexes } = getTableConfig(table)
  const oid = sql`to_regclass(${name}::text)`
  const found = await readColumns(log, oid)
  if (found.size === 0) return [`table ${name} is missing`]
  const existing = await readIndexes(log, oid)
  return [
    ...columns.flatMap((column) => {
      const actual = found.get(column.name)
      if (actual === undefined) return [`${name}.${column.name} is missing`]
      return [
        ...(actual.type === column.getSQLType()
          ? []
          : [`${name}.${column.name} is ${actual.type}, not ${column.getSQLType()}`]),
        ...(column.notNull && actual.nullable === 'true' ? [`${name}.${column.name} may be null`] : []),
      ]
    }),
    ...[...found.values()]
      .filter(({ name, required }) => required === 'true' && !columns.some((column) => column.name === name))
      .map((column) => `${name}.${column.name} is not ours, and stops every insert: it needs a default`),
    ...indexes.flatMap(({ config }) => {
      const valid = existing.get(config.name ?? '')
      if (valid === undefined) return [`index ${config.name} on ${name} is missing`]
      return valid ? [] : [`index ${config.name} on ${name} is not valid: reindex it`]
    }),
  ]
}

interface ColumnRow extends TextRow {
  readonly name: string
  readonly type: string
  readonly nullable: string
  /** An insert has to give it. */
  readonly required: string
}

async function readColumns(log: EventLog, table: SQL): Promise<Map<string, ColumnRow>> {
  const rows = await query<ColumnRow>(
    log,
    sql`
      select attname::text as name, format_type(atttypid, null) as type, (not attnotnull)::text as nullable,
        (attnotnull and not atthasdef and attidentity = '')::text as required
      from pg_attribute where attrelid = ${table} and attnum > 0 and not attisdropped`,
  )
  return new Map(rows.map((row) => [row.name, row]))
}

/** Whether each is valid, by name. */
async function readIndexes(log: EventLog, table: SQL): Promise<Map<string, boolean>> {
  const rows = await query<{ name: string; valid: string }>(
    log,
    sql`
      select relname::text as name, indisvalid::text as valid
      from pg_index join pg_class on pg_class.oid = indexrelid where indrelid = ${table}`,
  )
  return new Map(rows.map(({ name, valid }) => [name, valid === 'true']))
}
