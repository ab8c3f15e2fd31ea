/** Publishers that misbehave on request, to see what the relay makes of it. */
import {
  memoryPublisher,
  OutboxError,
  type Publisher,
  type PublishOutcome,
  type RecordedEvent,
} from 'drizzle-outbox'

type Fault = (
  events: readonly RecordedEvent[],
) => Promise<PublishOutcome | undefined> | PublishOutcome | undefined

/** A memory publisher that asks `fault` first: what it returns is the outcome, undefined means publish. */
export function faultyPublisher(fault: Fault) {
  const memory = memoryPublisher()
  const publisher: Publisher = {
    ...memory,
    publish: async (events, options) => (await fault(events)) ?? memory.publish(events, options),
  }
  return { publisher, published: () => memory.published }
}

/** A publisher that does some things otherwise. */
export function overriding(publisher: Publisher, methods: Partial<Publisher>): Publisher {
  return new Proxy(publisher, {
    get: (target, name) => {
      const value = Reflect.get(methods, name) ?? Reflect.get(target, name)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

export const brokerDown = () => new OutboxError('ERR_OUTBOX_UNAVAILABLE', 'the broker is down', {})

export function unavailableOutcome(unacknowledged: readonly RecordedEvent[]): PublishOutcome {
  return { unacknowledged, duplicates: 0, refused: [], unavailable: brokerDown() }
}

/** A memory publisher that refuses some events, and holds back what follows them in their aggregates. */
export function refusingPublisher(isRefused: (event: RecordedEvent) => boolean) {
  const memory = memoryPublisher()
  const publisher: Publisher = {
    ...memory,
    publish: async (events, options) => {
      const refused: PublishOutcome['refused'][number][] = []
      const held = new Set<string>()
      const sent = events.filter((event) => {
        if (held.has(event.aggregateId)) return false
        if (!isRefused(event)) return true
        held.add(event.aggregateId)
        refused.push(
          new OutboxError('ERR_OUTBOX_EVENT_REFUSED', 'too large', { eventId: event.id, brokerCode: 10054 }),
        )
        return false
      })
      const outcome = await memory.publish(sent, options)
      return { ...outcome, unacknowledged: events.filter((event) => !sent.includes(event)), refused }
    },
  }
  return { publisher, memory, published: () => memory.recorded.map(nameOf) }
}

/** `o-1/2`: the second event of aggregate o-1. */
export function nameOf({ aggregateId, aggregateVersion }: RecordedEvent): string {
  return `${aggregateId}/${aggregateVersion}`
}
