/** What the two lines of Drizzle say differently. Written against the types of 0.45; see `projects` in vitest.config.ts. */
import * as drizzle from 'drizzle-orm'
import type { NodePgDatabase } from 'drizzle-orm/node-postgres'
import type { OutboxDb } from 'drizzle-outbox'
import { items, orders } from './drivers.js'

const tables = { orders, items }
const isLine1 = 'defineRelations' in drizzle

/** For `drizzle(…)`: an order has items. */
export const relational: object = isLine1 ? { relations: relationsOf1() } : { schema: schemaOf045() }

/** A database that was made with `relational`. */
export type RelationalDb = OutboxDb<NodePgDatabase<ReturnType<typeof schemaOf045>>>

function schemaOf045() {
  return {
    ...tables,
    ordersRelations: drizzle.relations(orders, ({ many }) => ({ items: many(items) })),
    itemsRelations: drizzle.relations(items, ({ one }) => ({
      order: one(orders, { fields: [items.orderId], references: [orders.id] }),
    })),
  }
}

function relationsOf1() {
  const { defineRelations } = drizzle as unknown as {
    // biome-ignore lint/suspicious/noExplicitAny: the types of this line are not installed for the tests
    defineRelations(all: object, relations: (r: any) => object): object
  }
  return defineRelations(tables, (r) => ({
    orders: { items: r.many.items({ from: r.orders.id, to: r.items.orderId }) },
  }))
}

/** Where a database with replicas reads: of itself in 0.45, of `$replica` in 1.0. */
export function readsOf<DB extends object>(db: DB): DB {
  return '$replica' in db ? (db.$replica as DB) : db
}
