import { DrizzleQueryError, is } from 'drizzle-orm'
import { PgDialect } from 'drizzle-orm/pg-core'
import { invalidOption } from '../../errors.js'
import type { Database } from '../../event-log/database.js'
import { ForeignError } from '../../foreign-errors.js'
import type { RawDb } from '../outbox-db.js'

/** A Drizzle database as it is at run time; what types cannot say in a way that fits both lines. */
export interface DrizzleDatabase extends RawDb, Database {
  readonly dialect?: unknown
  readonly $client?: unknown
  readonly session?: Session & RawDb
  /** Of `withReplicas`. */
  readonly $primary?: DrizzleDatabase
  readonly '~drizzle-outbox'?: unknown
}

/** A Drizzle transaction, or a savepoint, as it is at run time. */
export interface DrizzleTransaction extends RawDb, Database {
  /** Absent only if a later Drizzle calls it something else. */
  session?: Session
}

export interface Session {
  /** The driver's own transaction or connection. */
  client: object
  readonly logger?: { logQuery(text: string, params: unknown[]): void }
  prepareQuery(...args: readonly unknown[]): unknown
}

/** @throws `ERR_OUTBOX_OPTION_INVALID` when it is not a PostgreSQL database of Drizzle, or has an outbox already. */
export function checkDrizzleDatabase(db: RawDb): DrizzleDatabase {
  const database = db as DrizzleDatabase
  if (!is(database?.dialect, PgDialect))
    throw invalidOption('db', 'must be a PostgreSQL database made by drizzle(…)')
  if ('rollback' in database) throw invalidOption('db', 'is a transaction; give the database itself')
  if (database['~drizzle-outbox'] !== undefined) throw invalidOption('db', 'already has an outbox')
  return database
}

/** Whether a statement failed, not the application. */
export function isDriverError(error: unknown): boolean {
  return error instanceof DrizzleQueryError || error instanceof ForeignError
}

// By inheritance, not a proxy: `instanceof`, Drizzle's `is`, `$client` and protected members all work, at no cost.
export function extend<T extends object>(base: T, own: PropertyDescriptorMap): T {
  return Object.create(base, own)
}
