/**
 * Another service as a process: it listens to bookings, and answers which days of a room are taken. It keeps them in
 * memory, and reads the stream from its beginning whenever it starts.
 */
import { createServer } from 'node:http'
import { getRequestListener } from '@hono/node-server'
import { connect } from '@nats-io/transport-node'
import { Hono } from 'hono'
import { Calendar } from './calendar.js'
import { type BookingMessage, followBookings } from './follow-bookings.js'

const { NATS_URL = 'nats://127.0.0.1:4222', STREAM = 'BOOKINGS' } = process.env
const { HOST = '127.0.0.1', PORT = '8081' } = process.env

const calendar = new Calendar()
const app = new Hono()
  .get('/healthz', (c) => c.json({ alive: true }))
  .get('/rooms/:room', (c) => c.json(calendar.of(c.req.param('room'))))

const stopping = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stopping.abort())

const connection = await connect({ servers: NATS_URL, maxReconnectAttempts: -1 })
const server = createServer(getRequestListener(app.fetch))
server.listen(Number(PORT), HOST, () => console.log(`Listening on ${HOST}:${PORT}`))

await followBookings(connection, STREAM, stopping.signal, (message) => {
  const known = calendar.apply(message) ? '' : ' (known)'
  console.log(`booking ${message.booking}, version ${message.version}: ${tell(message)}${known}`)
})

server.close()
server.closeAllConnections()
await connection.close()

/** The compiler knows the data of each type, and that none is missing. */
function tell({ event, requestId }: BookingMessage): string {
  switch (event.type) {
    case 'booking.requested':
      return `${event.data.guest} asks for room ${event.data.room} on ${event.data.day} (request ${requestId})`
    case 'booking.paid':
      return `${event.data.amount / 100} came in (request ${requestId})`
    case 'booking.cancelled':
      return `off, because ${event.data.reason} (request ${requestId})`
    default:
      return event satisfies never
  }
}
