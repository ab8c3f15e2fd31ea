import { is } from 'drizzle-orm'
import { PgDialect } from 'drizzle-orm/pg-core'
import { invalidOption } from '../errors.js'
import type { Database } from '../event-log/database.js'
import type { RawDb } from './outbox-db.js'

/** A Drizzle database as it is at run time; what types cannot say in a way that fits both lines. */
interface DrizzleDatabase extends RawDb, Database {
  readonly dialect?: unknown
  readonly $client?: unknown
  readonly '~outbox'?: unknown
}

/** @throws `ERR_OUTBOX_OPTION_INVALID` when it is not a PostgreSQL database of Drizzle, or has an outbox already. */
export function checkDrizzleDatabase(db: RawDb): DrizzleDatabase {
  const database = db as DrizzleDatabase
  if (!is(database?.dialect, PgDialect))
    throw invalidOption('db', 'must be a PostgreSQL database made by drizzle(…)')
  if ('rollback' in database) throw invalidOption('db', 'is a transaction; give the database itself')
  if (database['~outbox'] !== undefined) throw invalidOption('db', 'already has an outbox')
  return database
}

/**
 * Whether statements of a transaction can end up outside it. When a connection of postgres.js dies in mid-transaction,
 * the rest of the callback runs, and commits, on a new connection. A client with a `query` method (node-postgres and
 * its kin, PGlite) stays with its connection and fails.
 */
export function needsFence({ $client: client }: DrizzleDatabase): boolean {
  return typeof client !== 'object' || client === null || !('query' in client)
}

/**
 * Keeps a lost connection from ending the process. node-postgres reports it as an `error` event on the client, and
 * Drizzle 0.45 listens to none while a transaction runs; the pool does the same for idle clients. The statement that
 * was running rejects either way.
 */
export function surviveLostConnections({ $client: client }: DrizzleDatabase): void {
  if (!guard(client)) return
  // A pool: its connections too, as they are taken, because some may be there already.
  if ('totalCount' in client) client.on('acquire', (connection) => void guard(connection))
}

/** @returns whether it has got its listener now. */
function guard(client: unknown): client is Emitter {
  if (!isEmitter(client) || guarded.has(client)) return false
  guarded.add(client)
  client.on('error', ignore)
  return true
}

const guarded = new WeakSet<object>()
const ignore = () => {}

interface Emitter {
  on(event: string, listener: (connection?: Emitter) => void): unknown
}

function isEmitter(client: unknown): client is Emitter {
  return typeof client === 'object' && client !== null && 'query' in client && 'on' in client
}
