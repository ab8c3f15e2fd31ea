/** A PgBouncer of a test's own in front of the shared PostgreSQL, and the clients that come through it. */
import { sql } from 'drizzle-orm'
import { drizzle as drizzleNodePostgres } from 'drizzle-orm/node-postgres'
import { drizzle as drizzlePostgresJs } from 'drizzle-orm/postgres-js'
import { migrateOutbox, withOutbox } from 'drizzle-outbox'
import pg from 'pg'
import postgres from 'postgres'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import {
  findPgBouncer,
  howToGetPgBouncer,
  type PgBouncerOptions,
  type PgBouncerServer,
  startPgBouncer,
} from '../../dev/servers/index.js'
import type { ShopDb } from './drivers.js'
import { endPool } from './outbox-databases.js'
import { freshDatabase } from './servers.js'

const program = await findPgBouncer()
if (program === undefined) {
  console.warn(
    `\n!!! NO PGBOUNCER: the tests that need one ${process.env.CI ? 'FAIL' : 'are SKIPPED'}. ${howToGetPgBouncer}\n`,
  )
}

/** Where no PgBouncer can be had the tests are skipped, and on CI they fail. `bouncer()` is for use in a test. */
export function describeWithPgBouncer(
  name: string,
  settings: NonNullable<PgBouncerOptions['settings']>,
  tests: (bouncer: () => PgBouncerServer) => void,
): void {
  if (program === undefined && process.env.CI) {
    it(`${name}: needs a PgBouncer`, () => {
      throw new Error(howToGetPgBouncer)
    })
    return
  }
  describe.skipIf(program === undefined)(name, () => {
    let bouncer: PgBouncerServer | undefined
    beforeAll(async () => {
      bouncer = await startPgBouncer({ databaseUrl: inject('databaseUrl'), settings, program: program! })
    })
    afterAll(() => bouncer?.stop())
    tests(() => bouncer!)
  })
}

interface PooledClient {
  readonly db: ShopDb
  close(): Promise<void>
}

function openNodePostgres(url: string, max: number): PooledClient {
  const client = new pg.Pool({ connectionString: url, max })
  const db = withOutbox(drizzleNodePostgres({ client }), { source: '/shop' })
  // Not waited for: Drizzle 0.45 never gives back a connection on which BEGIN failed, and `end` waits for it.
  return { db, close: async () => void endPool(client) }
}

function openPostgresJs(url: string, max: number, settings: { prepare?: boolean } = {}): PooledClient {
  const client = postgres(url, { max, onnotice: () => {}, ...settings })
  const db = withOutbox(drizzlePostgresJs({ client }), { source: '/shop' }) as unknown as ShopDb
  return { db, close: () => client.end({ timeout: 1 }) } // seconds; without it a hanging slot is waited for
}

const pooledClients = {
  'node-postgres': openNodePostgres,
  'postgres.js': (url: string, max: number) => openPostgresJs(url, max),
  'postgres.js, prepare: false': (url: string, max: number) => openPostgresJs(url, max, { prepare: false }),
}
type ClientName = keyof typeof pooledClients

interface PooledShop {
  readonly db: ShopDb
  /** The URL of its database past PgBouncer. */
  readonly direct: string
  /** Another database object, through PgBouncer unless told otherwise. */
  open(connections: number, url?: string): ShopDb
}

/** The tests once with each client, each time on a database of its own with the shop's and the outbox tables. */
export function describeEachPooledClient(
  clients: readonly ClientName[],
  { bouncer, connections }: { bouncer: () => PgBouncerServer; connections: number },
  tests: (shop: () => PooledShop, client: ClientName) => void,
): void {
  describe.each(clients)('%s', (name) => {
    let shop: PooledShop
    const cleanUp: (() => Promise<unknown>)[] = []
    beforeAll(async () => {
      const { url: direct, drop } = await freshDatabase()
      cleanUp.unshift(drop)
      const open: PooledShop['open'] = (max, url = bouncer().through(direct)) => {
        const { db, close } = pooledClients[name](url, max)
        cleanUp.unshift(close)
        return db
      }
      const admin = open(1, direct)
      await migrateOutbox(admin)
      await admin.execute(sql`create table orders (id text primary key, total int not null)`)
      shop = { db: open(connections), direct, open }
    })
    afterAll(async () => {
      for (const clean of cleanUp) await clean()
    })
    tests(() => shop, name)
  })
}

/** Ends every backend that is in a transaction and waits for its client. */
export async function endTransactions(direct: string): Promise<void> {
  const admin = new pg.Client({ connectionString: direct })
  await admin.connect()
  const ended = () =>
    admin.query(`
      select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and state = 'idle in transaction' and pid <> pg_backend_pid()`)
  await expect.poll(async () => (await ended()).rowCount).toBeGreaterThan(0)
  await admin.end()
}

interface ConnectionIds {
  /** The process id in the connection's startup reply, from which a client would cancel. */
  readonly announced: number | null
  /** Of the process that runs the statement. */
  readonly backend: number
}

/** What a new connection of either driver is told of its backend, and what the backend is. */
export const connectionIds: Readonly<Record<string, (url: string) => Promise<ConnectionIds>>> = {
  'node-postgres': async (url) => {
    const client = new pg.Client({ connectionString: url })
    await client.connect()
    const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid')
    await client.end()
    return { announced: (client as unknown as { processID: number }).processID, backend: rows[0]!.pid }
  },
  'postgres.js': async (url) => {
    const client = postgres(url, { max: 1 })
    const result = await client<{ pid: number }[]>`select pg_backend_pid() as pid`
    await client.end()
    return { announced: result.state.pid, backend: result[0]!.pid }
  },
}
