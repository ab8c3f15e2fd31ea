/** Hears of bookings, with nothing but the NATS client and the definition of the events. */
import { setTimeout as sleep } from 'node:timers/promises'
import {
  type Consumer,
  JetStreamApiCodes,
  JetStreamApiError,
  type JsMsg,
  jetstream,
} from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'
import { type DecodedEvent, decodeEvent, isOutboxError } from 'drizzle-outbox/events'
import { bookingEvents } from '../booking-events.js'

export interface BookingMessage {
  readonly booking: string
  /** 1, 2, 3, … of this booking. */
  readonly version: number
  /** A union, discriminated by `type`. */
  readonly event: DecodedEvent<typeof bookingEvents>
  /** The HTTP request that brought it about. */
  readonly requestId: string
}

/** Handles one message after the other, from the first one that the stream holds, until `signal` aborts. */
export async function followBookings(
  connection: NatsConnection,
  stream: string,
  signal: AbortSignal,
  handle: (message: BookingMessage) => void,
): Promise<void> {
  const consumer = await openConsumer(connection, stream, signal)
  const messages = await consumer?.consume()
  if (!messages) return
  const stop = () => messages.stop()
  signal.addEventListener('abort', stop)
  if (signal.aborted) stop()
  for await (const message of messages) {
    const booking = readMessage(message)
    if (booking) handle(booking)
  }
}

/**
 * An ordered consumer: it keeps no place, and notices by itself when it has missed something. The stream comes with the
 * worker, which may be started after us.
 */
async function openConsumer(
  connection: NatsConnection,
  stream: string,
  signal: AbortSignal,
): Promise<Consumer | undefined> {
  while (!signal.aborted) {
    try {
      return await jetstream(connection).consumers.get(stream)
    } catch (error) {
      if (!(error instanceof JetStreamApiError) || error.code !== JetStreamApiCodes.StreamNotFound)
        throw error
      await sleep(500, undefined, { signal }).catch(() => {})
    }
  }
  return undefined
}

/** CloudEvents in binary mode: the message's data is the event's data, and its attributes are `ce-` headers. */
function readMessage(message: JsMsg): BookingMessage | undefined {
  const attribute = (name: string) => decodeURIComponent(message.headers?.get(`ce-${name}`) ?? '')
  try {
    return {
      booking: attribute('subject'),
      version: Number(attribute('sequence')),
      event: decodeEvent(bookingEvents, {
        type: attribute('type'),
        schemaVersion: Number(attribute('schemaversion')),
        data: message.json(),
      }),
      requestId: attribute('correlationid'),
    }
  } catch (error) {
    // A later release of the other service tells more than this one understands.
    if (isOutboxError(error) && error.code === 'ERR_OUTBOX_EVENT_UNKNOWN') return undefined
    throw error
  }
}
