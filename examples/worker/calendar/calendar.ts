/** Who is in which room on which day: a projection of what is heard of bookings. */
import type { BookingMessage } from './follow-bookings.js'

export interface Stay {
  readonly booking: string
  readonly room: string
  readonly day: string
  readonly guest: string
  readonly status: 'requested' | 'paid' | 'cancelled'
  readonly version: number
}

export class Calendar {
  readonly #stays = new Map<string, Stay>()

  /** @returns whether it was news. A message may come twice; by its version it is known. */
  apply({ booking, version, event }: BookingMessage): boolean {
    const known = this.#stays.get(booking)
    if (version <= (known?.version ?? 0)) return false
    const next = statusAfter[event.type]
    // Cancelled ones stay: without their version, a late copy of `requested` would bring them back.
    if (event.type === 'booking.requested') {
      const { room, day, guest } = event.data
      this.#stays.set(booking, { booking, room, day, guest, status: next, version })
    } else if (known) this.#stays.set(booking, { ...known, status: next, version })
    return true
  }

  /** The days on which the room is taken. */
  of(room: string): Stay[] {
    return [...this.#stays.values()]
      .filter((stay) => stay.room === room && stay.status !== 'cancelled')
      .sort((a, b) => (a.day < b.day ? -1 : 1))
  }
}

const statusAfter = {
  'booking.requested': 'requested',
  'booking.paid': 'paid',
  'booking.cancelled': 'cancelled',
} as const satisfies Record<BookingMessage['event']['type'], Stay['status']>
