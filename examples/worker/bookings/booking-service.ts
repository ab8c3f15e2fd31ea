/**
 * The use cases, each one transaction: load the booking, let it decide, store the row, add the booking to the outbox.
 * The row and the events are committed together, or not at all. Each returns what is stored.
 */
import { eq, sql } from 'drizzle-orm'
import { Booking, BookingError, type BookingRequest } from './booking.js'
import type { Db, Tx } from './db.js'
import { type BookingRow, bookings, rooms } from './schema.js'

/** The caller chooses the id: a request that is sent again, because its answer was lost, is not a second booking. */
export function requestBooking(db: Db, id: string, request: BookingRequest): Promise<BookingRow> {
  return db.transaction(async (tx) => {
    const booking = Booking.request(id, request, await priceOf(tx, request.room))
    tx.outbox.add(booking)
    const [row] = await tx
      .insert(bookings)
      .values(booking.toRow())
      .onConflictDoNothing({ target: [bookings.room, bookings.day], where: sql`status <> 'cancelled'` })
      .returning()
    // The event is in the outbox already. It goes as the row does.
    if (!row) throw new BookingError('conflict', `room ${request.room} is taken on ${request.day}`)
    return row
  })
}

export function payBooking(db: Db, id: string, amount: number): Promise<BookingRow> {
  return db.transaction(async (tx) => {
    const booking = await lockBooking(tx, id)
    booking.pay(amount)
    tx.outbox.add(booking)
    return updateBooking(tx, booking)
  })
}

/**
 * A guest cancels what they see on a page, and meanwhile the booking may have moved on. The version that they saw
 * travels with the request; if it is not the booking's version any more: `ERR_OUTBOX_CONCURRENCY`.
 */
export function cancelBooking(db: Db, id: string, reason: string, seenVersion: number): Promise<BookingRow> {
  return db.transaction(async (tx) => {
    const booking = await lockBooking(tx, id)
    booking.cancel(reason)
    tx.outbox.add(booking, { expectedVersion: seenVersion })
    return updateBooking(tx, booking)
  })
}

export async function findBooking(db: Db, id: string): Promise<BookingRow> {
  const [row] = await db.select().from(bookings).where(eq(bookings.id, id))
  return row ?? unknownBooking(id)
}

/** Loads the booking and holds its row until the transaction ends, so that changes of one booking queue up. */
async function lockBooking(tx: Tx, id: string): Promise<Booking> {
  const [row] = await tx.select().from(bookings).where(eq(bookings.id, id)).for('update')
  return Booking.fromRow(row ?? unknownBooking(id))
}

async function updateBooking(tx: Tx, booking: Booking): Promise<BookingRow> {
  const row = booking.toRow()
  const { status, version } = row
  await tx.update(bookings).set({ status, version }).where(eq(bookings.id, row.id))
  return row
}

async function priceOf(tx: Tx, room: string): Promise<number> {
  const [row] = await tx.select().from(rooms).where(eq(rooms.id, room))
  if (!row) throw new BookingError('unknown', `there is no room ${room}`)
  return row.price
}

function unknownBooking(id: string): never {
  throw new BookingError('unknown', `there is no booking ${id}`)
}
