/** What can happen to a booking: all that the booking service and those who hear of it have in common. */
import { defineEvents } from 'drizzle-outbox/events'
import { z } from 'zod'

const cents = z.int().nonnegative()

export const bookingEvents = defineEvents('booking', {
  requested: z.object({ room: z.string(), day: z.iso.date(), guest: z.string(), price: cents }),
  paid: z.object({ amount: cents }),
  cancelled: z.object({ reason: z.string(), refund: cents }),
})
