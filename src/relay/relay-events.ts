import type { OutboxError } from '../errors.js'
import type { RecordedEvent } from '../events/domain-event.js'
import { describeThrown } from '../foreign-errors.js'

/** What a relay tells about itself. Metrics, logs and progress all come from these. */
export type RelayEvent =
  /** This relay leads under its name from now on. */
  | { readonly type: 'leaseAcquired'; readonly epoch: number }
  /** Another relay has taken over, or the lease could not be renewed in time. */
  | { readonly type: 'leaseLost'; readonly error: OutboxError<'ERR_OUTBOX_LEASE_LOST'> }
  /**
   * The broker has acknowledged events. `duplicates` of them it had already. The `events` themselves are not enumerable:
   * a log line that is made of this holds nothing of their data.
   */
  | {
      readonly type: 'published'
      readonly count: number
      readonly duplicates: number
      readonly durationMs: number
      readonly events: readonly RecordedEvent[]
    }
  /** A window of the log is published and its checkpoint stored. */
  | { readonly type: 'checkpoint'; readonly events: number }
  /** The broker refused an event for its own sake. It is tried again in `retryInMs`; its aggregate's later events wait. */
  | (FailedEvent & { readonly type: 'refused'; readonly retryInMs: number })
  /** And for the last time: it waits for an operator, as do its aggregate's later events unless `holds` is false. */
  | (FailedEvent & { readonly type: 'deadLettered'; readonly holds: boolean })
  /** The events of an aggregate need not wait any more: what held it was published or discarded. */
  | { readonly type: 'released'; readonly aggregateType: string; readonly aggregateId: string }
  /** Broker or database cannot be used. Nothing is lost; the next attempt comes in `retryInMs`. */
  | {
      readonly type: 'paused'
      readonly by: 'broker' | 'database'
      readonly error: Error
      readonly attempt: number
      readonly retryInMs: number
    }
  /** It works again. */
  | { readonly type: 'resumed'; readonly pausedMs: number }
  /** An operator has asked for it: events from this position on are published again. */
  | { readonly type: 'replayBegun'; readonly position: number }
  /** Events were deleted that all relays have published, and that are older than `retentionMs`. */
  | { readonly type: 'pruned'; readonly events: number; readonly durationMs: number }
  /** They could not be: the log grows. It is tried again within a minute. */
  | { readonly type: 'pruneFailed'; readonly error: Error }
  /** With `listen`: notifications arrive, so that commits of other processes wake this relay. */
  | { readonly type: 'listening' }
  /** They do not, or no longer: this relay polls, and listens anew in `retryInMs`. */
  | {
      readonly type: 'listenFailed'
      readonly error: Error
      readonly attempt: number
      readonly retryInMs: number
    }
  /** The log was moved here from another database cluster; its checkpoints are carried over. */
  | { readonly type: 'rebased'; readonly durationMs: number }
  | { readonly type: 'stopped' }

/** An event that was not published. */
interface FailedEvent {
  readonly eventId: string
  readonly position: number
  readonly eventType: string
  readonly aggregateType: string
  readonly aggregateId: string
  /** So far. */
  readonly attempts: number
  readonly error: OutboxError<'ERR_OUTBOX_EVENT_REFUSED' | 'ERR_OUTBOX_RELAY_DIED'>
}

export type RelayEventType = RelayEvent['type']
export type RelayEventOf<T extends RelayEventType> = Extract<RelayEvent, { type: T }>

export function publishedEvent(
  events: readonly RecordedEvent[],
  duplicates: number,
  durationMs: number,
): RelayEventOf<'published'> {
  const event = { type: 'published', count: events.length, duplicates, durationMs } as const
  return Object.defineProperty(event, 'events', { value: events }) as RelayEventOf<'published'>
}

/**
 * Not an `EventEmitter`: there, an `error` without a listener ends the process, and a listener that throws breaks the
 * emitter's caller. A relay survives both.
 */
export class RelayEvents {
  readonly #listeners = new Map<RelayEventType, Set<(event: RelayEvent) => void>>()

  on<T extends RelayEventType>(type: T, listener: (event: RelayEventOf<T>) => void): () => void {
    const listeners = this.#listeners.get(type) ?? new Set()
    this.#listeners.set(type, listeners)
    const any = listener as (event: RelayEvent) => void
    listeners.add(any)
    return () => void listeners.delete(any)
  }

  emit(event: RelayEvent): void {
    for (const listener of this.#listeners.get(event.type) ?? []) {
      try {
        Promise.resolve(listener(event)).catch(warn)
      } catch (error) {
        warn(error)
      }
    }
  }
}

function warn(error: unknown): void {
  process.emitWarning(`a listener threw ${describeThrown(error)}`, { type: 'OutboxRelayListenerError' })
}
