/**
 * Creates the tables, to try things out. In a service of your own `drizzle-kit generate` writes the migrations from
 * schema.ts, those of the outbox included; then you need nothing of this.
 */
import { sql } from 'drizzle-orm'
import { migrateOutbox } from 'drizzle-outbox'
import type { Db } from './db.js'

export async function createTables(db: Db): Promise<void> {
  await migrateOutbox(db)
  await db.execute(sql`
    create table if not exists customers (
      id text primary key,
      credit_limit integer not null
    )`)
  await db.execute(sql`
    create table if not exists orders (
      id text primary key,
      customer text not null references customers (id),
      total integer not null,
      status text not null,
      version integer not null
    )`)
  await db.execute(sql`create index if not exists orders_customer on orders (customer)`)
}
