import type { RecordedEvent } from '../../events/domain-event.js'

/** Aggregates with an event that was refused: nothing that comes after it is sent before it comes again. */
export class HeldBack {
  /** Positions of the refused events, by aggregate. */
  readonly #refused = new Map<string, number>()

  get none(): boolean {
    return this.#refused.size === 0
  }

  refused({ aggregateId, position }: RecordedEvent): void {
    this.#refused.set(aggregateId, Math.min(position, this.#refused.get(aggregateId) ?? position))
  }

  /** What is handed over now follows nothing that was refused. */
  clear(): void {
    this.#refused.clear()
  }

  /** Whether an event has to wait. When the refused one comes, its aggregate goes on. */
  holds({ aggregateId, position }: RecordedEvent): boolean {
    const refused = this.#refused.get(aggregateId)
    if (refused === position) this.#refused.delete(aggregateId)
    return refused !== undefined && position > refused
  }
}
