import type { AggregateKey } from '../event-log/dead-letters.js'
import type { RecordedEvent } from '../events/domain-event.js'

/** Aggregates whose events wait behind one that was set aside. */
export class HeldAggregates {
  readonly #held = new Map<string, AggregateKey>()
  #turn: Iterator<AggregateKey> | undefined

  get size(): number {
    return this.#held.size
  }

  add({ aggregateType, aggregateId }: AggregateKey): void {
    const key = { aggregateType, aggregateId }
    this.#held.set(nameOf(key), key)
  }

  /** As they are found when a relay begins to lead. */
  replace(aggregates: readonly AggregateKey[]): void {
    this.#held.clear()
    for (const aggregate of aggregates) this.add(aggregate)
  }

  release(aggregate: AggregateKey): void {
    this.#held.delete(nameOf(aggregate))
  }

  has(aggregate: AggregateKey): boolean {
    return this.#held.size > 0 && this.#held.has(nameOf(aggregate))
  }

  /** Which events may be published, and which have to wait. */
  split(events: readonly RecordedEvent[]): { going: readonly RecordedEvent[]; waiting: RecordedEvent[] } {
    if (this.#held.size === 0) return { going: events, waiting: [] }
    const going: RecordedEvent[] = []
    const waiting: RecordedEvent[] = []
    for (const event of events) (this.has(event) ? waiting : going).push(event)
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
