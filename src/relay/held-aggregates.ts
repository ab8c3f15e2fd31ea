import type { AggregateKey, HeldAggregate } from '../event-log/dead-letters.js'
import type { RecordedEvent } from '../events/domain-event.js'

/** Aggregates whose events wait behind one that was set aside. */
export class HeldAggregates {
  readonly #held = new Map<string, HeldAggregate>()
  #turn: Iterator<HeldAggregate> | undefined

  get size(): number {
    return this.#held.size
  }

  /** From the event's position on, which is the first. */
  add({ aggregateType, aggregateId, position }: HeldAggregate): void {
    const name = nameOf({ aggregateType, aggregateId })
    if (!this.#held.has(name)) this.#held.set(name, { aggregateType, aggregateId, position })
  }

  /** As they are found when a relay begins to lead. */
  replace(aggregates: readonly HeldAggregate[]): void {
    this.#held.clear()
    for (const aggregate of aggregates) this.add(aggregate)
  }

  release(aggregate: AggregateKey): void {
    this.#held.delete(nameOf(aggregate))
  }

  /** Whether an event has to wait. One that is before the first that waits is published again, by a replay. */
  holds(event: HeldAggregate): boolean {
    if (this.#held.size === 0) return false
    const held = this.#held.get(nameOf(event))
    return held !== undefined && event.position >= held.position
  }

  /** Which events may be published, and which have to wait. */
  split(events: readonly RecordedEvent[]): { going: readonly RecordedEvent[]; waiting: RecordedEvent[] } {
    if (this.#held.size === 0) return { going: events, waiting: [] }
    const going: RecordedEvent[] = []
    const waiting: RecordedEvent[] = []
    for (const event of events) (this.holds(event) ? waiting : going).push(event)
    return { going, waiting }
  }

  /** Some of them; in turn, all. */
  next(count: number): AggregateKey[] {
    const turn: AggregateKey[] = []
    while (turn.length < Math.min(count, this.#held.size)) {
      this.#turn ??= this.#held.values()
      const { value, done } = this.#turn.next()
      if (done) this.#turn = undefined
      else turn.push(value)
    }
    return turn
  }
}

/** Injective: the length says where the type ends. */
function nameOf({ aggregateType, aggregateId }: AggregateKey): string {
  return `${aggregateType.length}:${aggregateType}${aggregateId}`
}
