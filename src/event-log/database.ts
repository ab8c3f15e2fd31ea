import { type SQL, sql } from 'drizzle-orm'
import { OutboxError } from '../errors.js'
import { ForeignError, safeError } from '../foreign-errors.js'
import type { BoundStatement } from './statement.js'
import type { OutboxTables } from './tables.js'

/**
 * The part of a Drizzle database, or transaction, that the log uses. Structural, because the classes differ between
 * Drizzle 0.45 and 1.0.
 */
export interface Database {
  execute(query: SQL): PromiseLike<unknown>
  /** Past Drizzle, and prepared if that can be; undefined where it cannot be done. */
  executeBound?(statement: BoundStatement): PromiseLike<unknown> | undefined
}

/** The log: the database that it is in, or a transaction of it, and what its tables are called there. */
export interface EventLog {
  readonly db: Database
  readonly tables: OutboxTables
}

/**
 * Text in, text out: drivers and Drizzle's lines disagree on how they pass everything else, so every parameter is
 * `${value}::text::type` and every column `::text`.
 */
export type TextRow = Readonly<Record<string, string | null>>

/**
 * Runs a statement and gives its rows, whatever shape the driver returns them in.
 *
 * @throws `ERR_OUTBOX_TABLES_MISSING`; everything else as the driver throws it, without the statement and its parameters.
 */
export function query<R extends TextRow>({ db, tables }: EventLog, statement: SQL): Promise<R[]> {
  return rowsOf(() => db.execute(statement), tables)
}

/** Like {@link query}, for the statements that are sent often. */
export function queryBound<R extends TextRow>(
  { db, tables }: EventLog,
  statement: BoundStatement,
): Promise<R[]> {
  return rowsOf(() => db.executeBound?.(statement) ?? db.execute(statement.toSQL()), tables)
}

/** @throws what the driver throws, when the database does not answer. */
export async function pingDatabase(log: EventLog): Promise<void> {
  await query(log, sql`select 1 as answer`)
}

async function rowsOf<R extends object>(run: () => PromiseLike<unknown>, tables: OutboxTables): Promise<R[]> {
  let result: unknown
  try {
    result = await run()
  } catch (error) {
    if (isMissingTable(error, tables)) throw tablesMissing(tables, error)
    throw safeError(error)
  }
  // postgres.js gives an array of rows, the others an object that holds one.
  return Array.isArray(result) ? asWritten(result) : (result as { rows: R[] }).rows
}

/** postgres.js renames columns where it is told to (`transform: postgres.camel`). Ours are words joined by `_`. */
function asWritten<R extends object>(rows: R[]): R[] {
  const [first] = rows
  if (first === undefined || Object.keys(first).every((name) => /^[a-z_]+$/.test(name))) return rows
  const written = (name: string) => name.replace(/(?<=.)-?([A-Z])|-/g, '_$1').toLowerCase()
  return rows.map(
    (row) => Object.fromEntries(Object.entries(row).map(([name, value]) => [written(name), value])) as R,
  )
}

/** The SQLSTATE of a database error, such as `40001`, which Drizzle wraps. Undefined: it has none. */
export function sqlState(error: unknown): string | undefined {
  for (let e = error; e instanceof Error; e = e.cause)
    // Not the system's, some of which look like it: EPIPE.
    if ('code' in e && typeof e.code === 'string' && /^[0-9A-Z]{5}$/.test(e.code) && !('errno' in e))
      return e.code
  return undefined
}

/** Whether the server ends the connection: told to, crashing, or starting up (documentation, appendix A). */
export function isConnectionFailure(error: unknown): boolean {
  return /^(57P0[1-3]|0800[36])$/.test(sqlState(error) ?? '')
}

/** Whether a connection that was there has gone, by the word of the server, the system or the driver. */
export function isLostConnection(error: unknown): boolean {
  if (isConnectionFailure(error)) return true
  for (let e = error; e instanceof Error; e = e.cause) {
    if ('code' in e && LOST_CODES.has(String(e.code))) return true
    if (e.message === 'Connection terminated unexpectedly') return true // node-postgres, which has no code for it
  }
  return false
}

const LOST_CODES = new Set(['ECONNRESET', 'EPIPE', 'CONNECTION_CLOSED', 'CONNECTION_DESTROYED'])

/** In few words: Drizzle's own message is the whole statement with its parameters. */
export function databaseFailed(error: unknown) {
  const cause = new ForeignError(error)
  const { message, code } = cause
  const state = sqlState(error)
  return new OutboxError(
    'ERR_OUTBOX_DATABASE_FAILED',
    `the database failed: ${message === '' ? 'no connection' : message}${code === undefined ? '' : ` (${code})`}`,
    state === undefined ? {} : { sqlState: state },
    { cause },
  )
}

const UNDEFINED_TABLE = '42P01'

function isMissingTable(error: unknown, { prefix }: OutboxTables): boolean {
  if (sqlState(error) !== UNDEFINED_TABLE) return false
  const names = ['events', 'aggregates', 'relays', 'dead_letters'].map((table) => prefix + table)
  for (let e = error; e instanceof Error; e = e.cause) {
    const { message } = e
    if (names.some((name) => message.includes(name))) return true
  }
  return false
}

function tablesMissing({ names }: OutboxTables, error: unknown) {
  return new OutboxError(
    'ERR_OUTBOX_TABLES_MISSING',
    `the outbox tables (${names.events}, …) are not in this database: call migrateOutbox(db), or export them from your own schema with \`export * from "drizzle-outbox/schema"\` and migrate`,
    {},
    { cause: new ForeignError(error) },
  )
}
