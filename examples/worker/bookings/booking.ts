/** A booking and its rules. Every change records an event; nothing here knows of a database, or of HTTP. */
import { AggregateRoot } from 'drizzle-outbox'
import { bookingEvents } from '../booking-events.js'
import type { BookingRow } from './schema.js'

export interface BookingRequest {
  readonly room: string
  /** Such as `2027-03-01`. */
  readonly day: string
  readonly guest: string
}

export class Booking extends AggregateRoot<typeof bookingEvents> {
  readonly #row: BookingRow
  #status: BookingRow['status']

  private constructor(row: BookingRow) {
    super(bookingEvents, row.id, { version: row.version })
    this.#row = row
    this.#status = row.status
  }

  static request(id: string, request: BookingRequest, price: number): Booking {
    const booking = new Booking({ id, ...request, price, status: 'requested', version: 0 })
    booking.record('requested', { ...request, price })
    return booking
  }

  static fromRow(row: BookingRow): Booking {
    return new Booking(row)
  }

  pay(amount: number): void {
    if (this.#status !== 'requested')
      throw new BookingError('conflict', `booking ${this.id} is ${this.#status} already`)
    const { price } = this.#row
    if (amount !== price)
      throw new BookingError('refused', `booking ${this.id} costs ${price} cents, not ${amount}`)
    this.record('paid', { amount })
    this.#status = 'paid'
  }

  cancel(reason: string): void {
    if (this.#status === 'cancelled')
      throw new BookingError('conflict', `booking ${this.id} is cancelled already`)
    this.record('cancelled', { reason, refund: this.#status === 'paid' ? this.#row.price : 0 })
    this.#status = 'cancelled'
  }

  /** The row to store together with the events recorded so far. */
  toRow(): BookingRow {
    const version = (this.version ?? 0) + this.pendingEvents.length
    return { ...this.#row, status: this.#status, version }
  }
}

/** A rule of the house forbids it. */
export class BookingError extends Error {
  override readonly name = 'BookingError'

  constructor(
    readonly kind: 'unknown' | 'conflict' | 'refused',
    message: string,
  ) {
    super(message)
  }
}
