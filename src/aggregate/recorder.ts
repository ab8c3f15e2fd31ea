import { invalidOption } from '../errors.js'
import type { EventInput, EventName, EventOf } from '../events/define-events.js'
import type { AnyEvents } from '../events/definition.js'
import type { DomainEvent } from '../events/domain-event.js'
import type { Metadata } from '../events/metadata.js'
import { checkAggregateId, recordEvent } from '../events/record-event.js'
import { type Aggregate, aggregateStale } from './aggregate.js'

/** Records events for an aggregate whose class has another base. */
export interface Recorder<E extends AnyEvents> extends Aggregate {
  readonly pendingEvents: readonly EventOf<E>[]
  /**
   * Validates the data and keeps the event until a transaction commits it.
   *
   * @throws `ERR_OUTBOX_EVENT_INVALID`, `ERR_OUTBOX_EVENT_NOT_JSON`, `ERR_OUTBOX_EVENT_TOO_LARGE`,
   * `ERR_OUTBOX_METADATA_INVALID`, `ERR_OUTBOX_SCHEMA_ASYNC`, `ERR_OUTBOX_AGGREGATE_STALE`.
   */
  record<K extends EventName<E>>(name: K, data: EventInput<E, K>, metadata?: Metadata): void
}

/**
 * A recorder to keep in a field, where extending {@link AggregateRoot} is not possible.
 *
 * @example
 * ```ts
 * class Shipment extends Base {
 *   readonly events = createRecorder(shipmentEvents, this.id)
 *   depart() { this.events.record('departed', { at: this.harbour }) }
 * }
 * tx.outbox.add(shipment.events)
 * ```
 * @throws `ERR_OUTBOX_AGGREGATE_ID_INVALID`
 */
export function createRecorder<E extends AnyEvents>(
  events: E,
  id: string,
  options: {
    /** See {@link Aggregate.version}. */
    version?: number | undefined
  } = {},
): Recorder<E> {
  return new EventRecorder(events, id, options.version)
}

/** The pending events of one aggregate. */
export class EventRecorder<E extends AnyEvents> implements Recorder<E> {
  readonly #events: E
  readonly #id: string
  #pending: EventOf<E>[] = []
  #version: number | undefined
  #stale = false

  constructor(events: E, id: string, version: number | undefined) {
    checkAggregateId(events['~outbox'].aggregate, id)
    if (version !== undefined && !(Number.isInteger(version) && version >= 0))
      throw invalidOption('version', `must be a whole number from 0, not ${typeof version} ${version}`)
    this.#events = events
    this.#id = id
    this.#version = version
  }

  get version(): number | undefined {
    return this.#version
  }

  get pendingEvents(): readonly EventOf<E>[] {
    return [...this.#pending]
  }

  record<K extends EventName<E>>(name: K, data: EventInput<E, K>, metadata?: Metadata): void {
    if (this.#stale) throw aggregateStale(this.#events['~outbox'].aggregate, this.#id)
    this.#pending.push(recordEvent(this.#events, name, this.#id, data, metadata) as DomainEvent as EventOf<E>)
  }

  eventsCommitted(version: number, events: readonly DomainEvent[]): void {
    this.#forget(events)
    if (this.#version !== undefined) this.#version = version
  }

  eventsRolledBack(events: readonly DomainEvent[]): void {
    this.#forget(events)
    this.#stale = true
  }

  #forget(events: readonly DomainEvent[]): void {
    const gone = new Set<DomainEvent>(events)
    this.#pending = this.#pending.filter((event) => !gone.has(event))
  }
}
