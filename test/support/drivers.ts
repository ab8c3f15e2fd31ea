/** The drivers that the integration tests run on, and a shop to run them with. */
import { sql } from 'drizzle-orm'
import { drizzle as drizzleNodePostgres } from 'drizzle-orm/node-postgres'
import { integer, pgTable, text } from 'drizzle-orm/pg-core'
import { drizzle as drizzlePostgresJs } from 'drizzle-orm/postgres-js'
import { AggregateRoot, defineEvents, migrateOutbox, type OutboxOptions, withOutbox } from 'drizzle-outbox'
import pg from 'pg'
import postgres from 'postgres'
import { afterAll, beforeAll, describe } from 'vitest'
import { z } from 'zod'
import { freshDatabase } from './servers.js'

export const orders = pgTable('orders', { id: text().primaryKey(), total: integer().notNull() })

export const orderEvents = defineEvents('order', {
  placed: z.object({ total: z.int() }),
  shipped: z.object({ carrier: z.string() }),
})

export class Order extends AggregateRoot<typeof orderEvents> {
  constructor(id: string, version?: number) {
    super(orderEvents, id, { version })
  }
  static place(id: string, total = 1) {
    const order = new Order(id, 0)
    order.record('placed', { total })
    return order
  }
  ship(carrier = 'dhl') {
    this.record('shipped', { carrier })
  }
}

function openNodePostgres(url: string, options?: Partial<OutboxOptions>, max = 10) {
  const client = new pg.Pool({ connectionString: url, max })
  const db = withOutbox(drizzleNodePostgres({ client }), { source: '/shop', ...options })
  return { db, close: () => client.end() }
}

function openPostgresJs(url: string, options?: Partial<OutboxOptions>, max = 10) {
  const client = postgres(url, { max, onnotice: () => {} })
  const db = withOutbox(drizzlePostgresJs({ client }), { source: '/shop', ...options })
  return { db, close: () => client.end({ timeout: 1 }) } // seconds; without it a hanging slot is waited for
}

/** One of the drivers stands for the type of all: what the tests use of them is the same. */
export type ShopDb = ReturnType<typeof openNodePostgres>['db']
type Open = (
  url: string,
  options?: Partial<OutboxOptions>,
  connections?: number,
) => { db: ShopDb; close: () => Promise<void> }

const drivers: readonly { readonly name: string; readonly open: Open }[] = [
  { name: 'node-postgres', open: openNodePostgres },
  { name: 'postgres.js', open: openPostgresJs as unknown as Open },
]

export interface Shop {
  readonly db: ShopDb
  readonly url: string
  /** Another database object on the same database. */
  open(options?: Partial<OutboxOptions>, connections?: number): ShopDb
}

/** The tests once on each driver, each time on a database of its own with the shop's and the outbox tables. */
export function describeEachDriver(name: string, tests: (shop: () => Shop, driver: string) => void): void {
  for (const driver of drivers) {
    describe(`${name} (${driver.name})`, () => {
      let shop: Shop
      const cleanUp: (() => Promise<unknown>)[] = []
      beforeAll(async () => {
        const database = await freshDatabase()
        cleanUp.unshift(() => database.drop())
        const open: Shop['open'] = (options, connections) => {
          const { db, close } = driver.open(database.url, options, connections)
          cleanUp.unshift(close)
          return db
        }
        const db = open()
        await migrateOutbox(db)
        await db.execute(sql`create table orders (id text primary key, total int not null)`)
        shop = { db, url: database.url, open }
      })
      afterAll(async () => {
        for (const clean of cleanUp) await clean()
      })
      tests(() => shop, driver.name)
    })
  }
}

/** Types of an aggregate's events in the log, in their order, with the gap-free version of each. */
export async function historyOf(db: ShopDb, id: string): Promise<string[]> {
  const result = await db.execute<{ entry: string }>(sql`
    select aggregate_version || ' ' || type as entry from outbox_events where aggregate_id = ${id} order by position`)
  const rows = Array.isArray(result) ? (result as { entry: string }[]) : result.rows
  return rows.map(({ entry }) => entry)
}
