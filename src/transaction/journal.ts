import { type Aggregate, aggregateStale } from '../aggregate/aggregate.js'
import { OutboxError } from '../errors.js'
import type { DomainEvent } from '../events/domain-event.js'
import type { Metadata } from '../events/metadata.js'
import { type EventRecord, nextOrdinal, ordinalOf, toEventRecord } from '../events/record-event.js'

/** Something done through `tx.outbox`. */
type Entry =
  | { readonly kind: 'event'; readonly event: EventRecord; readonly ordinal: number }
  | {
      readonly kind: 'aggregate'
      readonly aggregate: Aggregate
      readonly expectedVersion: number | undefined
    }
  | { readonly kind: 'metadata'; readonly metadata: Metadata }
  | { readonly kind: 'hook'; readonly run: Hook }

export type Hook = () => void | Promise<void>

/** An open savepoint: what came later belongs to it, entries by their index and events by their ordinal. */
export interface Savepoint {
  readonly entries: number
  readonly ordinal: number
}

/** An aggregate of the transaction with the events it will commit. */
export interface Enlisted {
  readonly aggregate: Aggregate
  readonly expectedVersion: number | undefined
  readonly events: readonly DomainEvent[]
}

/** Aggregates that had events rolled back under them, with one of those. */
const stale = new WeakMap<Aggregate, DomainEvent>()

/** Events that a transaction has committed. */
const stored = new WeakSet<DomainEvent>()

export function markStored(events: readonly EventRecord[]): void {
  for (const event of events) stored.add(event)
}

/** The open transaction that something was added to: in two of them it would be stored twice. */
const holders = new WeakMap<Aggregate | EventRecord, Journal>()

/**
 * What one transaction did with events, in order, so that a rolled-back savepoint can be cut off its end. As in SQL,
 * everything belongs to the innermost open savepoint, whichever handle it went through.
 */
export class Journal {
  readonly #entries: Entry[] = []
  readonly #savepoints: Savepoint[] = []
  readonly #rolledBack: { readonly after: number; readonly until: number }[] = []
  #overlapping = false

  addEvent(event: DomainEvent): void {
    const record = toEventRecord(event)
    if (stored.has(record))
      throw new OutboxError('ERR_OUTBOX_EVENT_STORED', `event ${event.id} is in the log already`, {
        eventId: event.id,
      })
    if (this.#isHeldElsewhere(record))
      throw new OutboxError(
        'ERR_OUTBOX_EVENT_IN_USE',
        `event ${event.id} was added to another transaction that has not ended`,
        { eventId: event.id },
      )
    holders.set(record, this)
    this.#entries.push({ kind: 'event', event: record, ordinal: nextOrdinal() })
  }

  addAggregate(aggregate: Aggregate, expectedVersion: number | undefined): void {
    const lost = stale.get(aggregate)
    if (lost !== undefined) throw aggregateStale(lost.aggregateType, lost.aggregateId)
    if (this.#isHeldElsewhere(aggregate))
      throw new OutboxError(
        'ERR_OUTBOX_AGGREGATE_IN_USE',
        'the aggregate was added to another transaction that has not ended',
        {},
      )
    // Recorded in a savepoint that was rolled back, by an aggregate that nobody had added by then.
    const [gone] = aggregate.pendingEvents.filter((event) => this.#isRolledBack(event))
    if (gone !== undefined) {
      stale.set(aggregate, gone)
      throw aggregateStale(gone.aggregateType, gone.aggregateId)
    }
    holders.set(aggregate, this)
    this.#entries.push({ kind: 'aggregate', aggregate, expectedVersion })
  }

  #isHeldElsewhere(added: Aggregate | EventRecord): boolean {
    const holder = holders.get(added)
    return holder !== undefined && holder !== this
  }

  addMetadata(metadata: Metadata): void {
    this.#entries.push({ kind: 'metadata', metadata })
  }

  addHook(run: Hook): void {
    this.#entries.push({ kind: 'hook', run })
  }

  openSavepoint(): Savepoint {
    const savepoint = { entries: this.#entries.length, ordinal: nextOrdinal() }
    this.#savepoints.push(savepoint)
    return savepoint
  }

  releaseSavepoint(savepoint: Savepoint): void {
    if (this.#savepoints.at(-1) !== savepoint) this.#overlapping = true
    this.#savepoints.splice(this.#savepoints.indexOf(savepoint), 1)
  }

  /** Forgets what was done since, and tells the aggregates that they are ahead of the database. */
  rollBackSavepoint(savepoint: Savepoint): void {
    this.releaseSavepoint(savepoint)
    const before = this.enlisted()
    this.#rolledBack.push({ after: savepoint.ordinal, until: nextOrdinal() })
    this.release()
    for (const { aggregate, events } of before) {
      const lost = events.filter((event) => this.#isRolledBack(event))
      const [first] = lost
      if (first === undefined) continue
      stale.set(aggregate, first)
      aggregate.eventsRolledBack?.(lost)
    }
    this.#entries.splice(savepoint.entries)
    for (const held of this.#held()) holders.set(held, this)
  }

  #isRolledBack(event: DomainEvent): boolean {
    const ordinal = ordinalOf(toEventRecord(event))
    return this.#rolledBack.some(({ after, until }) => ordinal > after && ordinal < until)
  }

  /**
   * Whether savepoints were open side by side. They bear one name in SQL, so that ending one ends the other, and
   * nobody can tell which events stand.
   */
  get overlapping(): boolean {
    return this.#overlapping || this.#savepoints.length > 0
  }

  /** Each aggregate once, with what it will commit. */
  enlisted(): Enlisted[] {
    const found = new Map<Aggregate, Enlisted>()
    for (const entry of this.#entries) {
      if (entry.kind !== 'aggregate') continue
      const { aggregate, expectedVersion = found.get(aggregate)?.expectedVersion ?? aggregate.version } =
        entry
      const events = aggregate.pendingEvents.filter((event) => !this.#isRolledBack(event))
      found.set(aggregate, { aggregate, expectedVersion, events })
    }
    return [...found.values()]
  }

  /** All events, of these aggregates and by themselves, in the order in which they were recorded or added. */
  pendingEvents(enlisted: readonly Enlisted[]): EventRecord[] {
    const pending = new Map<EventRecord, number>()
    for (const { events } of enlisted)
      for (const event of events.map(toEventRecord)) pending.set(event, ordinalOf(event))
    for (const entry of this.#entries)
      if (entry.kind === 'event' && !pending.has(entry.event)) pending.set(entry.event, entry.ordinal)
    return [...pending].sort(([, a], [, b]) => a - b).map(([event]) => event)
  }

  metadata(): Metadata[] {
    return this.#entries.flatMap((entry) => (entry.kind === 'metadata' ? [entry.metadata] : []))
  }

  hooks(): Hook[] {
    return this.#entries.flatMap((entry) => (entry.kind === 'hook' ? [entry.run] : []))
  }

  /** Other transactions may have what was added to this one. */
  release(): void {
    for (const held of this.#held()) holders.delete(held)
  }

  #held(): (Aggregate | EventRecord)[] {
    return this.#entries.flatMap<Aggregate | EventRecord>((entry) => {
      if (entry.kind === 'aggregate') return [entry.aggregate]
      return entry.kind === 'event' ? [entry.event] : []
    })
  }
}
