/** A shop to run the integration tests with, on each driver. */
import { sql } from 'drizzle-orm'
import { integer, pgTable, text } from 'drizzle-orm/pg-core'
import {
  AggregateRoot,
  defineEvents,
  migrateOutbox,
  type OutboxDb,
  type OutboxOptions,
  withOutbox,
} from 'drizzle-outbox'
import { afterAll, beforeAll, describe } from 'vitest'
import { z } from 'zod'
import { createEmbeddedDatabase } from './embedded-databases.js'
import {
  allDrivers,
  type ConnectOptions,
  connect,
  type Driver,
  type DrizzleDb,
  isNetworked,
} from './outbox-databases.js'
import { PostgresProxy } from './postgres-proxy.js'
import { freshDatabase } from './servers.js'

export const orders = pgTable('orders', { id: text().primaryKey(), total: integer().notNull() })
export const items = pgTable('items', { orderId: text('order_id').notNull(), name: text().notNull() })

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

export type ShopDb = OutboxDb<DrizzleDb>

export interface Shop {
  readonly db: ShopDb
  readonly url: string
  /** Another database object on the same database. */
  open(options?: Partial<OutboxOptions>, connection?: ConnectOptions): ShopDb
  /** One without an outbox. */
  connect(connection?: ConnectOptions): DrizzleDb
  /** Closes what was opened, and drops the database. */
  close(): Promise<void>
}

/** A shop in a database of its own, with its tables and those of the outbox. */
export async function openShop(driver: Driver): Promise<Shop> {
  const { url, drop } = isNetworked(driver) ? await freshDatabase() : await createEmbeddedDatabase()
  const cleanUp = [drop]
  const shop = {
    url,
    connect: (connection?: ConnectOptions) => {
      const { db, close } = connect(connection?.url ?? url, driver, connection)
      cleanUp.unshift(close)
      return db
    },
    open: (options?: Partial<OutboxOptions>, connection?: ConnectOptions) =>
      withOutbox(shop.connect(connection), { source: '/shop', ...options }),
    close: async () => {
      for (const clean of cleanUp) await clean()
    },
  }
  const db = shop.open()
  await migrateOutbox(db)
  await db.execute(sql`create table orders (id text primary key, total int not null)`)
  await db.execute(sql`create table items (order_id text not null, name text not null)`)
  return { ...shop, db }
}

/** The tests once on each driver, each time in a shop of their own. */
export function describeEachDriver(
  name: string,
  tests: (shop: () => Shop, driver: Driver) => void,
  of: readonly Driver[] = allDrivers,
): void {
  for (const driver of of) {
    describe(`${name} (${driver})`, () => {
      let shop: Shop | undefined
      beforeAll(async () => {
        shop = await openShop(driver)
      })
      afterAll(() => shop?.close())
      tests(() => shop!, driver)
    })
  }
}

/** A way into a shop by a proxy that can cut its connections, for drivers that have some. */
export interface ShakyShop extends Shop {
  readonly proxy: PostgresProxy
  /** Another database object, whose connections go through the proxy. */
  openShaky(connection?: ConnectOptions & { readonly user?: string }): ShopDb
}

/** As `describeEachDriver`, on the drivers that have connections to lose. */
export function describeEachShakyDriver(
  name: string,
  tests: (shop: () => ShakyShop, driver: Driver) => void,
): void {
  const withProxy = (shop: () => Shop, driver: Driver) => {
    let proxy: PostgresProxy
    beforeAll(async () => {
      proxy = await PostgresProxy.start(Number(new URL(shop().url).port))
    })
    afterAll(() => proxy.stop())
    const openShaky: ShakyShop['openShaky'] = ({ user = 'postgres', ...connection } = {}) => {
      const url = new URL(shop().url)
      url.port = String(proxy.port)
      url.username = user
      return shop().open({}, { ...connection, url: url.href })
    }
    tests(() => ({ ...shop(), proxy, openShaky }), driver)
  }
  describeEachDriver(name, withProxy, allDrivers.filter(isNetworked))
}

/** What `execute` returned, which is an array of rows with postgres.js. */
export function rowsOf<R>(result: { rows: R[] }): R[] {
  return Array.isArray(result) ? result : result.rows
}

/** Types of an aggregate's events in the log, in their order, with the gap-free version of each. */
export async function historyOf(db: ShopDb, id: string): Promise<string[]> {
  const result = await db.execute<{ entry: string }>(sql`
    select aggregate_version || ' ' || type as entry from outbox_events where aggregate_id = ${id} order by position`)
  return rowsOf(result).map(({ entry }) => entry)
}
