/** The tables: the service's own, and beside them those of the outbox. */
import { sql } from 'drizzle-orm'
import { date, integer, pgTable, text, uniqueIndex } from 'drizzle-orm/pg-core'

export * from 'drizzle-outbox/schema'

export const rooms = pgTable('rooms', {
  id: text().primaryKey(),
  /** For a day, in cents. */
  price: integer().notNull(),
})

export const bookings = pgTable(
  'bookings',
  {
    id: text().primaryKey(),
    room: text()
      .notNull()
      .references(() => rooms.id),
    day: date({ mode: 'string' }).notNull(),
    guest: text().notNull(),
    /** In cents. */
    price: integer().notNull(),
    status: text({ enum: ['requested', 'paid', 'cancelled'] }).notNull(),
    /** How many events the booking has. */
    version: integer().notNull(),
  },
  ({ room, day, status }) => [
    // Two requests at the same moment must not both get the room: the database decides.
    uniqueIndex('bookings_room_day').on(room, day).where(sql`${status} <> 'cancelled'`),
  ],
)

export type BookingRow = typeof bookings.$inferSelect
