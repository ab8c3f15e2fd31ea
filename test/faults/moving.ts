/** Two database clusters, and the ways in which a log gets from one into the other. */
import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { drizzle } from 'drizzle-orm/node-postgres'
import { migrateOutbox, withOutbox } from 'drizzle-outbox'
import pg from 'pg'
import { createDatabase, type Database, type PostgresServer } from '../../dev/servers/index.js'
import type { ShopDb } from '../support/drivers.js'
import { endPool } from '../support/outbox-databases.js'

const run = promisify(execFile)

/** A database in a cluster. */
export class Home {
  readonly db: ShopDb
  readonly url: string
  readonly #pool: pg.Pool
  readonly #database: Database
  readonly #clients: pg.PoolClient[] = []

  private constructor(database: Database) {
    this.#database = database
    this.url = database.url
    this.#pool = new pg.Pool({ connectionString: database.url, max: 5 })
    this.#pool.on('error', () => {})
    this.db = withOutbox(drizzle({ client: this.#pool }), { source: '/shop' })
  }

  static async in(cluster: PostgresServer): Promise<Home> {
    return new Home(await createDatabase(cluster.url))
  }

  async rows<R extends pg.QueryResultRow>(statement: string): Promise<R[]> {
    return (await this.#pool.query<R>(statement)).rows
  }

  /** A connection of its own. */
  readonly open = async (): Promise<pg.PoolClient> => {
    const client = await this.#pool.connect()
    this.#clients.push(client)
    return client
  }

  async leave(): Promise<void> {
    for (const client of this.#clients) client.release()
    await endPool(this.#pool)
    await this.#database.drop()
  }
}

/** Uses up transaction ids. */
export async function age(cluster: PostgresServer, ids: number): Promise<void> {
  const client = new pg.Client({ connectionString: cluster.url })
  await client.connect()
  await client.query(
    `do $$ begin for i in 1..${ids} loop perform pg_current_xact_id(); commit; end loop; end $$`,
  )
  await client.end()
}

/** How a log gets from one home into another: to be begun before it is written, and ended when it is to be there. */
export interface Move {
  readonly name: string
  /** Whether people may write at once. */
  readonly bringsSequence: boolean
  /** The programs of PostgreSQL that it takes. */
  readonly programs: readonly ('pg_dump' | 'psql')[]
  begin(from: Home, to: Home): Promise<void>
  end(from: Home, to: Home, cluster: PostgresServer): Promise<void>
}

const dump: Move = {
  name: 'pg_dump',
  bringsSequence: true,
  programs: ['pg_dump', 'psql'],
  begin: async (from) => migrateOutbox(from.db),
  end: async (from, to, { binaries }) => {
    const file = join(await mkdtemp(join(tmpdir(), 'moving-')), 'dump.sql')
    await run(join(binaries, 'pg_dump'), ['--no-owner', '--file', file, from.url])
    await run(join(binaries, 'psql'), ['-q', '-v', 'ON_ERROR_STOP=1', '-f', file, to.url])
    await rm(dirname(file), { recursive: true })
  },
}

const replication: Move = {
  name: 'logical replication',
  bringsSequence: false,
  programs: [],
  begin: async (from, to) => {
    for (const { db } of [from, to]) await migrateOutbox(db)
    const tables = 'outbox_events, outbox_aggregates, outbox_relays, outbox_dead_letters'
    await from.rows(`create publication moving for table ${tables}`)
    await to.rows(`create subscription moving connection '${from.url}' publication moving`)
  },
  end: async (from, to) => {
    for (let copied = false; !copied; ) {
      const [row] = await to.rows<{ copied: boolean }>(
        `select bool_and(srsubstate = 'r') and count(*) = 4 as copied from pg_subscription_rel`,
      )
      copied = row?.copied === true
    }
    const [place] = await from.rows<{ lsn: string }>('select pg_current_wal_lsn() as lsn')
    for (let there = false; !there; ) {
      const [row] = await from.rows<{ there: boolean }>(`
        select count(*) filter (where confirmed_flush_lsn >= '${place?.lsn}') = 1 and count(*) = 1 as there
        from pg_replication_slots where database = current_database()`)
      there = row?.there === true
    }
    await to.rows('drop subscription moving')
  },
}

export const moves: readonly Move[] = [dump, replication]
