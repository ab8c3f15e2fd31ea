/** A database with an outbox, over each driver. Also used outside of vitest: knows of no test. */
import type { SQL } from 'drizzle-orm'
import { drizzle as drizzleNodePostgres, type NodePgDatabase } from 'drizzle-orm/node-postgres'
import { drizzle as drizzlePGlite } from 'drizzle-orm/pglite'
import { drizzle as drizzlePostgresJs } from 'drizzle-orm/postgres-js'
import {
  type AnyOutboxDb,
  type HasOutbox,
  migrateOutbox,
  type OutboxOptions,
  withOutbox,
} from 'drizzle-outbox'
import pg from 'pg'
import postgres from 'postgres'
import { embeddedClient } from './embedded-databases.js'

/** Those of a server, which has many connections, any of which can be lost. */
export const drivers = ['node-postgres', 'postgres.js'] as const
/**
 * PGlite is a database inside this process, with one session: transactions take turns in it, and a statement beside a
 * transaction waits for its end.
 */
export const allDrivers = [...drivers, 'PGlite'] as const
export type Driver = (typeof allDrivers)[number]

export function isNetworked(driver: Driver): boolean {
  return driver !== 'PGlite'
}

export interface ConnectOptions {
  readonly connections?: number
  /** Of the server, for every connection: `{ deadlock_timeout: '20ms' }`. */
  readonly settings?: Readonly<Record<string, string>>
  /** For `drizzle(…)`. */
  readonly config?: object
  /** For the client of postgres.js. */
  readonly client?: object
  /** Another way to the database, such as a proxy. */
  readonly url?: string
}

/** One of the drivers stands for the type of all: what the tests use of them is the same. */
export type DrizzleDb = NodePgDatabase & { $client: pg.Pool }

interface Connected {
  readonly db: DrizzleDb
  close(): Promise<void>
}

/** As an application makes it, without an outbox. */
export function connect(url: string, driver: Driver, options: ConnectOptions = {}): Connected {
  const { connections = 16, settings = {}, config } = options
  if (driver === 'PGlite') {
    const client = embeddedClient(url)
    return { db: anyDb(drizzlePGlite({ client, ...config })), close: async () => {} }
  }
  if (driver === 'postgres.js') {
    const client = postgres(url, {
      max: connections,
      connection: settings,
      onnotice: () => {},
      ...options.client,
    })
    // In seconds: without it a slot that hangs is waited for.
    return { db: anyDb(drizzlePostgresJs({ client, ...config })), close: () => client.end({ timeout: 1 }) }
  }
  const client = new pg.Pool({
    connectionString: url,
    max: connections,
    options: Object.entries(settings)
      .map(([name, value]) => `-c ${name}=${value}`)
      .join(' '),
  })
  return { db: drizzleNodePostgres({ client, ...config }), close: () => endPool(client) }
}

/** `end` does not wait for the goodbyes of its connections: dropping their database meanwhile is an error to them. */
export function endPool(pool: pg.Pool): Promise<void> {
  pool.on('error', () => {})
  return pool.end()
}

const anyDb = (db: object) => db as DrizzleDb

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

export function openDatabase(
  url: string,
  driver: Driver = 'node-postgres',
  { outbox, ...options }: ConnectOptions & { readonly outbox?: Partial<OutboxOptions> } = {},
): OpenDatabase {
  const { db, close } = connect(url, driver, options)
  return { db: withOutbox(db, { source: '/faults', ...outbox }) as Db, close }
}

export async function migrate({ db }: OpenDatabase): Promise<void> {
  await migrateOutbox(db)
}
