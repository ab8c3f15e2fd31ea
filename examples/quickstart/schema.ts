/** The tables: the shop's own, and beside them those of the outbox. */
import { integer, pgTable, text } from 'drizzle-orm/pg-core'

export * from 'drizzle-outbox/schema'

export const customers = pgTable('customers', {
  id: text().primaryKey(),
  /** What all unpaid orders together may cost, in cents. */
  creditLimit: integer('credit_limit').notNull(),
})

export const orders = pgTable('orders', {
  id: text().primaryKey(),
  customer: text()
    .notNull()
    .references(() => customers.id),
  /** In cents. */
  total: integer().notNull(),
  status: text({ enum: ['placed', 'paid', 'shipped', 'cancelled'] }).notNull(),
  /** How many events the order has. */
  version: integer().notNull(),
})

export type OrderRow = typeof orders.$inferSelect
