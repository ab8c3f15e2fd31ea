/** The memory publisher, for a machine without NATS. What it was handed counts as received. */
import { memoryPublisher, type Publisher } from 'drizzle-outbox'
import type { Destination } from './destination.js'
import type { Received } from './received.js'

export function openMemory(): Destination {
  const memory = memoryPublisher()
  const received: Received[] = []
  const publisher: Publisher = {
    name: memory.name,
    publishTimeoutMs: memory.publishTimeoutMs,
    prepare: (context) => memory.prepare(context),
    publish: async (events, options) => {
      const outcome = await memory.publish(events, options)
      const at = performance.now()
      for (const { id, subject, sequence, type, data } of memory.published)
        received.push({ id, orderId: subject, version: Number(sequence), type, data, at })
      memory.clear() // it would hide an event that is published twice
      return outcome
    },
    close: () => memory.close(),
  }
  return {
    name: 'memory',
    publisher,
    received,
    receive: async () => {},
    caughtUp: async () => {},
    [Symbol.asyncDispose]: async () => {},
  }
}
