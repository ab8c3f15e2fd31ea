import type { Metadata } from './metadata.js'

/**
 * Something that happened to an aggregate, as it was recorded. Made by the creators of {@link defineEvents} and by
 * aggregates; the data has been validated and what will be stored is fixed.
 */
export interface DomainEvent<T extends string = string, D = unknown> {
  /** A UUID: the CloudEvents `id` and the broker's message id, on every attempt. */
  readonly id: string
  /** The wire name, such as `order.placed`. */
  readonly type: T
  /** The version of the event's schema, 1 unless the definition says otherwise. */
  readonly schemaVersion: number
  readonly aggregateType: string
  readonly aggregateId: string
  readonly occurredAt: Date
  readonly data: D
  readonly metadata: Metadata
}

/** An event as the log holds it, on its way to a broker. */
export interface RecordedEvent {
  readonly id: string
  readonly type: string
  readonly schemaVersion: number
  readonly aggregateType: string
  readonly aggregateId: string
  /** 1, 2, 3, … within the aggregate, without gaps. */
  readonly aggregateVersion: number
  /** Where the event stands in the log. Grows; has gaps where transactions rolled back. */
  readonly position: number
  /** The CloudEvents `source`, as given to `withOutbox`. */
  readonly source: string
  readonly occurredAt: Date
  /** The stored JSON text, byte for byte. */
  readonly data: string
  /** URI of the schema that the data follows, if its definition names one. */
  readonly dataschema?: string
  readonly metadata: Metadata
  /** That it was published before, and comes again with the so-manieth replay. */
  readonly redelivery?: number
}

/** What the broker deduplicates by: the event's id on every attempt, another in every replay. */
export function messageId({ id, redelivery }: RecordedEvent): string {
  return redelivery === undefined ? id : `${id}.r${redelivery}`
}
