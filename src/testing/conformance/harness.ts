import type { RecordedEvent } from '../../events/domain-event.js'
import type { Publisher } from '../../publishers/publisher.js'

/**
 * What `publisherConformance` needs to know of a publisher and of where it publishes to. `D` is whatever names a
 * destination: a stream, a topic, an object.
 */
export interface PublisherHarness<D = unknown> {
  /** Makes a destination that holds nothing. A case may ask for several. */
  open(): D | Promise<D>
  /**
   * A publisher for a destination, with its configuration in production but for short timeouts: cases wait for them. A
   * case may ask for several, side by side and one after the other, as relays follow each other. The case closes them.
   */
  publisher(destination: D): Publisher
  /** Everything that the destination holds by now, in its order. From beside, not through the publisher. */
  read(destination: D): readonly StoredEvent[] | Promise<readonly StoredEvent[]>
  /** When a case is over. */
  remove?(destination: D): void | Promise<void>
  readonly features?: Partial<PublisherFeatures>
  readonly faults?: DestinationFaults<D>
  /** For each case. Milliseconds. @default 30000 */
  readonly timeoutMs?: number
}

/** An event as the destination has it. */
export interface StoredEvent {
  readonly id: string
  readonly aggregateId: string
  readonly aggregateVersion: number
  /** The bytes of the JSON text. */
  readonly data: Uint8Array
  /** The CloudEvents attributes, decoded to text. Left out where `features.cloudEvents` is false. */
  readonly attributes?: Readonly<Record<string, string>>
}

/** What publishers and destinations may do differently. */
export interface PublisherFeatures {
  /** An event that is published again is stored once. @default true */
  readonly deduplicates: boolean
  /** The publisher can look what the destination has: it has `recover`. @default true */
  readonly recovers: boolean
  /** Events are published with the attributes that `cloudEventAttributes` gives. @default true */
  readonly cloudEvents: boolean
  /** The destination keeps the order of the log over all aggregates. @default false */
  readonly totalOrder: boolean
  /** A publisher that another one has overtaken can store nothing before it has recovered. @default false */
  readonly fences: boolean
  /** What it has in flight at most; of bytes of data, a single event may be larger. Not tested unless it is said. */
  readonly inFlight: { readonly events: number; readonly bytes: number } | undefined
  /** The largest data of an event that it takes. Bytes. @default 524288, which is the default of `maxEventBytes` */
  readonly maxDataBytes: number
}

/** Puts right what a fault did. */
export type Restore = () => void | Promise<void>

/** What can be done to a destination. The cases of a fault that is left out are reported as skipped. */
export interface DestinationFaults<D = unknown> {
  /** The event with other data, metadata or type, such that the destination will not take it. */
  refuse?(event: RecordedEvent, destination: D): RecordedEvent
  /** Takes the destination away, with what is on its way to it. What it holds is there when it is back. */
  outage?(destination: D): Promise<Restore>
  /** Cuts all connections to it, once. New ones can be made. */
  cut?(destination: D): void | Promise<void>
  /** The next time that this event is sent it gets lost on the way, without an answer. */
  lose?(destination: D, eventId: string): void | Promise<void>
  /** The destination stores what it is sent, but answers come only when it is restored, and then all of them. */
  holdAnswers?(destination: D): Restore | Promise<Restore>
  /** It answers in a way that does not say that it has the event, such as sequence 0. Whether it has is left open. */
  emptyAnswers?(destination: D): Restore | Promise<Restore>
  /** It loses all that it holds, and is there again, as new. */
  forget?(destination: D): void | Promise<void>
}

export const DEFAULT_TIMEOUT_MS = 30_000
