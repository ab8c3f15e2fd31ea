import { OutboxError } from '../errors.js'
import type { DomainEvent } from '../events/domain-event.js'

/**
 * What a transaction needs of an aggregate. {@link AggregateRoot} and {@link createRecorder} implement it; so may a
 * class of your own.
 */
export interface Aggregate {
  /** Recorded and not yet committed. Reading does not clear. After a rollback they are still here. */
  readonly pendingEvents: readonly DomainEvent[]
  /**
   * The version the aggregate was loaded at: how many of its events the log held. When known, a flush onto any other
   * version fails with `ERR_OUTBOX_CONCURRENCY`. `undefined`: no check.
   */
  readonly version: number | undefined
  /** COMMIT has returned: these events are in the log, the last one as `version`. */
  eventsCommitted(version: number, events: readonly DomainEvent[]): void
  /** The savepoint in which these were recorded was rolled back: the object is ahead of the database. */
  eventsRolledBack?(events: readonly DomainEvent[]): void
}

export function aggregateStale(aggregateType: string, aggregateId: string) {
  return new OutboxError(
    'ERR_OUTBOX_AGGREGATE_STALE',
    `${aggregateType} ${aggregateId} recorded events in a savepoint that was rolled back: load it again`,
    { aggregateType, aggregateId },
  )
}
