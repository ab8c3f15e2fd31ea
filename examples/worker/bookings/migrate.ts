/**
 * Makes the tables, and two rooms to book, as a deployment would before it starts the new release. In a service of your
 * own `drizzle-kit generate` writes the migrations from schema.ts, those of the outbox included.
 */
import { sql } from 'drizzle-orm'
import { migrateOutbox } from 'drizzle-outbox'
import { createDb, createPool } from './db.js'
import { rooms } from './schema.js'

const pool = createPool(process.env.DATABASE_URL)
const db = createDb(pool)

await migrateOutbox(db)
await db.execute(sql`
  create table if not exists rooms (
    id text primary key,
    price integer not null
  )`)
await db.execute(sql`
  create table if not exists bookings (
    id text primary key,
    room text not null references rooms (id),
    day date not null,
    guest text not null,
    price integer not null,
    status text not null,
    version integer not null
  )`)
await db.execute(sql`
  create unique index if not exists bookings_room_day on bookings (room, day) where status <> 'cancelled'`)
await db
  .insert(rooms)
  .values([
    { id: 'blue', price: 120_00 },
    { id: 'green', price: 90_00 },
  ])
  .onConflictDoNothing()

await pool.end()
