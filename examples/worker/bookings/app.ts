/** The HTTP side: what may be asked, and how it is answered. */
import { type Context, Hono } from 'hono'
import { HTTPException } from 'hono/http-exception'
import { requestId } from 'hono/request-id'
import { z } from 'zod'
import { answerError } from './answer-error.js'
import { cancelBooking, findBooking, payBooking, requestBooking } from './booking-service.js'
import type { Db } from './db.js'
import { currentRequestId } from './request-id.js'

const newBooking = z.object({
  id: z.string().regex(/^[\w-]{1,64}$/),
  room: z.string(),
  day: z.iso.date(),
  guest: z.string().min(1).max(100),
})
const payment = z.object({ amount: z.int().positive() })
const cancellation = z.object({ reason: z.string().min(1).max(500), version: z.int().positive() })

export function createApp(db: Db) {
  return new Hono()
    .use(requestId(), (c, next) => currentRequestId.run(c.get('requestId'), next))
    .get('/healthz', (c) => c.json({ alive: true }))
    .post('/bookings', async (c) => {
      const { id, ...request } = await readBody(c, newBooking)
      return c.json(await requestBooking(db, id, request), 201, { location: `/bookings/${id}` })
    })
    .get('/bookings/:id', async (c) => c.json(await findBooking(db, c.req.param('id'))))
    .post('/bookings/:id/payment', async (c) => {
      const { amount } = await readBody(c, payment)
      return c.json(await payBooking(db, c.req.param('id'), amount))
    })
    .post('/bookings/:id/cancellation', async (c) => {
      const { reason, version } = await readBody(c, cancellation)
      return c.json(await cancelBooking(db, c.req.param('id'), reason, version))
    })
    .onError(answerError)
}

async function readBody<T>(c: Context, schema: z.ZodType<T>): Promise<T> {
  const { success, data, error } = schema.safeParse(await c.req.json().catch(() => undefined))
  if (success) return data
  const reasons = error.issues.map(({ path, message }) => [...path, message].join(': '))
  throw new HTTPException(400, { message: reasons.join('; ') })
}
