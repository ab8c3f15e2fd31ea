import type { OutboxError } from '../errors.js'
import type { RecordedEvent } from '../events/domain-event.js'

/**
 * Hands events to a broker. The relay makes one call at a time, with events in the order of the log.
 *
 * What a publisher promises, and the relay builds on:
 * - An aggregate's event is sent only after the one before it is acknowledged.
 * - An event's id is the same on every attempt, and is what the broker deduplicates by where it can.
 * - Acknowledged means that the broker answered for this very event.
 */
export interface Publisher {
  /** For status and errors, such as `jetstream SHOP`. */
  readonly name: string
  /** How long after it was sent an event may still be stored without an acknowledgement. Milliseconds. */
  readonly publishTimeoutMs: number
  /**
   * Checks the destination, before the first event and after every outage.
   *
   * @throws `ERR_OUTBOX_UNAVAILABLE` when it cannot be reached: the relay tries again. Any other error is a
   * configuration that would break a promise: `relay.start()` rejects with it.
   */
  prepare(context: PublisherContext): Promise<void>
  /**
   * Publishes a page of the log. Resolves when every event is settled: acknowledged, or known not to be. Does not
   * reject for what a broker does.
   */
  publish(events: readonly RecordedEvent[], options: PublishOptions): Promise<PublishOutcome>
  /** Frees what the publisher itself has opened. */
  close(): Promise<void>
}

export interface PublisherContext {
  /** For so long a relay that died may hold its lease, and so its successor may resend. Milliseconds. */
  readonly leaseMs: number
  readonly signal: AbortSignal
}

export interface PublishOptions {
  /** When it aborts, nothing more is sent, and what is in flight counts as unacknowledged. */
  readonly signal: AbortSignal
  /** Asked before each event is sent: false once the relay cannot be sure any more that it holds its lease. */
  readonly maySend: () => boolean
}

export interface PublishOutcome {
  /** In the order given. Empty: the broker has them all. */
  readonly unacknowledged: readonly RecordedEvent[]
  /** How many acknowledgements said that the event was there already. */
  readonly duplicates: number
  /** Why the destination took no more. Counts against no event. */
  readonly unavailable?: OutboxError<'ERR_OUTBOX_UNAVAILABLE'>
  /** What the broker refused for the event's own sake. It is unacknowledged, as are its aggregate's later events. */
  readonly refused: readonly OutboxError<'ERR_OUTBOX_EVENT_REFUSED'>[]
}
