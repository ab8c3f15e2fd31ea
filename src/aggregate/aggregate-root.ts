import type { EventInput, EventName, EventOf } from '../events/define-events.js'
import type { AnyEvents } from '../events/definition.js'
import type { DomainEvent } from '../events/domain-event.js'
import type { Metadata } from '../events/metadata.js'
import type { Aggregate } from './aggregate.js'
import { EventRecorder } from './recorder.js'

/**
 * Base class of aggregates: records typed events, which a transaction stores.
 *
 * @example
 * ```ts
 * export class Order extends AggregateRoot<typeof orderEvents> {
 *   private constructor(id: string, version?: number) {
 *     super(orderEvents, id, { version })
 *   }
 *   static place(id: string, customerId: string, total: number) {
 *     const order = new Order(id)
 *     order.record('placed', { customerId, total })
 *     return order
 *   }
 * }
 * ```
 * @throws `ERR_OUTBOX_AGGREGATE_ID_INVALID` from the constructor.
 */
export abstract class AggregateRoot<E extends AnyEvents> implements Aggregate {
  readonly id: string
  readonly #recorder: EventRecorder<E>

  protected constructor(events: E, id: string, options: { version?: number | undefined } = {}) {
    this.id = id
    this.#recorder = new EventRecorder(events, id, options.version)
  }

  /** See {@link Aggregate.version}. Follows what is committed, once it was given. */
  get version(): number | undefined {
    return this.#recorder.version
  }

  get pendingEvents(): readonly EventOf<E>[] {
    return this.#recorder.pendingEvents
  }

  /** See {@link Recorder.record}. */
  protected record<K extends EventName<E>>(name: K, data: EventInput<E, K>, metadata?: Metadata): void {
    this.#recorder.record(name, data, metadata)
  }

  /** Called by the transaction. */
  eventsCommitted(version: number, events: readonly DomainEvent[]): void {
    this.#recorder.eventsCommitted(version, events)
  }

  /** Called by the transaction. */
  eventsRolledBack(events: readonly DomainEvent[]): void {
    this.#recorder.eventsRolledBack(events)
  }
}
