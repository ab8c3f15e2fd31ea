/** The same database with an outbox, over either driver. */
import type { SQL } from 'drizzle-orm'
import { drizzle as drizzleNodePostgres } from 'drizzle-orm/node-postgres'
import { drizzle as drizzlePostgresJs } from 'drizzle-orm/postgres-js'
import { type AnyOutboxDb, type HasOutbox, migrateOutbox, withOutbox } from 'drizzle-outbox'
import pg from 'pg'
import postgres from 'postgres'

export const drivers = ['node-postgres', 'postgres.js'] as const
export type Driver = (typeof drivers)[number]

/** What the drivers' transactions have in common. */
export interface Tx extends HasOutbox {
  execute(statement: SQL): PromiseLike<unknown>
  transaction<T>(run: (tx: Tx) => Promise<T>): Promise<T>
}

export interface Db extends AnyOutboxDb {
  execute(statement: SQL): PromiseLike<unknown>
  transaction<T>(run: (tx: Tx) => Promise<T>): Promise<T>
}

export interface OpenDatabase {
  readonly db: Db
  close(): Promise<void>
}

/** `settings` are of the server, for every connection: `{ deadlock_timeout: '20ms' }`. */
export function openDatabase(
  url: string,
  driver: Driver = 'node-postgres',
  { connections = 16, settings = {} }: { connections?: number; settings?: Record<string, string> } = {},
): OpenDatabase {
  const options = { source: '/faults' }
  if (driver === 'postgres.js') {
    const client = postgres(url, { max: connections, connection: settings, onnotice: () => {} })
    return { db: withOutbox(drizzlePostgresJs({ client }), options) as Db, close: () => client.end() }
  }
  const client = new pg.Pool({
    connectionString: url,
    max: connections,
    options: Object.entries(settings)
      .map(([name, value]) => `-c ${name}=${value}`)
      .join(' '),
  })
  return { db: withOutbox(drizzleNodePostgres({ client }), options) as Db, close: () => client.end() }
}

export async function migrate({ db }: OpenDatabase): Promise<void> {
  await migrateOutbox(db)
}
