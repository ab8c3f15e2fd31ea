import type { SQL } from 'drizzle-orm'
import { OutboxError } from '../errors.js'

/**
 * The part of a Drizzle database, or transaction, that the log uses. Structural, because the classes differ between
 * Drizzle 0.45 and 1.0.
 */
export interface Database {
  execute(query: SQL): PromiseLike<unknown>
}

/**
 * Text in, text out: drivers and Drizzle's lines disagree on how they pass everything else, so every parameter is
 * `${value}::text::type` and every column `::text`.
 */
export type TextRow = Readonly<Record<string, string | null>>

/**
 * Runs a statement and gives its rows, whatever shape the driver returns them in.
 *
 * @throws `ERR_OUTBOX_TABLES_MISSING`; everything else as the driver throws it.
 */
export async function query<R extends TextRow>(db: Database, statement: SQL): Promise<R[]> {
  let result: unknown
  try {
    result = await db.execute(statement)
  } catch (error) {
    throw isMissingTable(error) ? tablesMissing(error) : error
  }
  // postgres.js gives an array of rows, the others an object that holds one.
  return (Array.isArray(result) ? result : (result as { rows: R[] }).rows) as R[]
}

/** SQLSTATE of an error, which Drizzle wraps. */
export function sqlState(error: unknown): string | undefined {
  for (let e = error; e instanceof Error; e = e.cause)
    if ('code' in e && typeof e.code === 'string' && /^[0-9A-Z]{5}$/.test(e.code)) return e.code
  return undefined
}

/** In few words: Drizzle's own message is the whole statement with its parameters. */
export function databaseFailed(cause: unknown) {
  let root = cause
  while (root instanceof Error && root.cause instanceof Error) root = root.cause
  const code = root instanceof Error && 'code' in root ? ` (${root.code})` : ''
  const message = root instanceof Error && root.message !== '' ? root.message : 'no connection'
  const state = sqlState(cause)
  return new OutboxError(
    'ERR_OUTBOX_DATABASE_FAILED',
    `the database failed: ${message}${code}`,
    state === undefined ? {} : { sqlState: state },
    { cause },
  )
}

const UNDEFINED_TABLE = '42P01'

function isMissingTable(error: unknown): boolean {
  if (sqlState(error) !== UNDEFINED_TABLE) return false
  for (let e = error; e instanceof Error; e = e.cause)
    if (/outbox_(events|aggregates|relays)/.test(e.message)) return true
  return false
}

function tablesMissing(cause: unknown) {
  return new OutboxError(
    'ERR_OUTBOX_TABLES_MISSING',
    'the outbox tables are not in this database: call migrateOutbox(db), or export them from your own schema with `export * from "drizzle-outbox/schema"` and migrate',
    {},
    { cause },
  )
}
