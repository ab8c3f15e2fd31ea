/** What can happen to an order, and what each event carries. The schema is the wire form: it is stored as JSON. */
import { defineEvents } from 'drizzle-outbox/events'
import { z } from 'zod'

const cents = z.int().nonnegative()

export const orderEvents = defineEvents('order', {
  placed: z.object({ customer: z.string(), total: cents }),
  paid: z.object({ amount: cents }),
  shipped: z.object({ carrier: z.string() }),
  cancelled: z.object({ reason: z.string(), refund: cents }),
})
