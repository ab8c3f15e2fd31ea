/** Reads the events in another service, with nothing but the NATS client and the definition of the events. */
import { AckPolicy, type JsMsg, jetstream, jetstreamManager } from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'
import { type DecodedEvent, decodeEvent } from 'drizzle-outbox/events'
import { orderEvents } from './order-events.js'

export interface OrderMessage {
  /** The same on every delivery: remember it to recognise one that comes again. */
  readonly id: string
  readonly orderId: string
  /** 1, 2, 3, … of this order. */
  readonly version: number
  /** A union, discriminated by `type`. */
  readonly event: DecodedEvent<typeof orderEvents>
}

export interface ConsumerOptions {
  readonly stream: string
  /** JetStream keeps the place in the stream under this name, over restarts. */
  readonly name: string
  readonly signal: AbortSignal
}

/**
 * Handles one message after the other until `signal` aborts. The stream must be there, and a relay that has started
 * has seen to that. A message is acknowledged once it is handled; if handling throws, so does this, and the message
 * comes again.
 */
export async function consumeOrders(
  connection: NatsConnection,
  { stream, name, signal }: ConsumerOptions,
  handle: (message: OrderMessage) => void | Promise<void>,
): Promise<void> {
  const manager = await jetstreamManager(connection)
  await manager.consumers.add(stream, { durable_name: name, ack_policy: AckPolicy.Explicit })
  const consumer = await jetstream(connection).consumers.get(stream, name)
  const messages = await consumer.consume()
  const stop = () => messages.stop()
  signal.addEventListener('abort', stop)
  if (signal.aborted) stop()
  try {
    for await (const message of messages) {
      await handle(readMessage(message))
      message.ack()
    }
  } finally {
    signal.removeEventListener('abort', stop)
    stop()
  }
}

/** CloudEvents in binary mode: the message's data is the event's data, and its attributes are `ce-` headers. */
function readMessage(message: JsMsg): OrderMessage {
  const attribute = (name: string) => decodeURIComponent(message.headers?.get(`ce-${name}`) ?? '')
  return {
    id: attribute('id'),
    orderId: attribute('subject'),
    version: Number(attribute('sequence')),
    event: decodeEvent(orderEvents, {
      type: attribute('type'),
      schemaVersion: Number(attribute('schemaversion')),
      data: message.json(),
    }),
  }
}
