import { type CloudEvent, toCloudEvent } from '../cloudevents/cloud-event.js'
import { messageId, type RecordedEvent } from '../events/domain-event.js'
import type { Publisher } from './publisher.js'

/** A publisher that keeps what it is given. */
export interface MemoryPublisher extends Publisher {
  /** Everything published, in order, each id once, replays aside. */
  readonly published: readonly CloudEvent[]
  /** The same as the log holds them: data as text, byte for byte. */
  readonly recorded: readonly RecordedEvent[]
  /** Forgets what was published. */
  clear(): void
}

/**
 * Publishes into an array of this process: for tests, and for development without a broker. Deduplicates by id, as
 * a broker does within its window.
 *
 * @example
 * ```ts
 * const publisher = memoryPublisher()
 * const relay = createRelay({ db, publisher })
 * await relay.drain()
 * expect(publisher.published.map((event) => event.type)).toEqual(['order.placed'])
 * ```
 */
export function memoryPublisher(): MemoryPublisher {
  const published = new Map<string, { readonly cloudEvent: CloudEvent; readonly event: RecordedEvent }>()
  return {
    name: 'memory',
    publishTimeoutMs: 0,
    get published() {
      return Array.from(published.values(), ({ cloudEvent }) => cloudEvent)
    },
    get recorded() {
      return Array.from(published.values(), ({ event }) => event)
    },
    clear: () => published.clear(),
    prepare: async () => {},
    close: async () => {},
    publish: async (events, { signal, maySend }) => {
      let duplicates = 0
      for (const [index, event] of events.entries()) {
        if (signal.aborted || !maySend())
          return { unacknowledged: events.slice(index), duplicates, refused: [] }
        if (published.has(messageId(event))) duplicates++
        else published.set(messageId(event), { cloudEvent: toCloudEvent(event), event })
      }
      return { unacknowledged: [], duplicates, refused: [] }
    },
  }
}
