/** What came out at the reader's end, first copies and others. */
import type { RecordedEvent } from 'drizzle-outbox'

export class Deliveries {
  /** The first copy of each, in order. */
  readonly first = new Map<string, RecordedEvent>()
  /** Second copies that no restart excuses. */
  readonly doubled: RecordedEvent[] = []
  /** Second copies of what had not been checkpointed when the reader was restarted. */
  redelivered = 0
  readonly #unsaved = new Map<string, number>()
  readonly #excused = new Map<string, number>()

  deliver(page: readonly RecordedEvent[]): void {
    for (const event of page) {
      this.#unsaved.set(event.id, event.position)
      if (!this.first.has(event.id)) this.first.set(event.id, event)
      else if (this.#excused.delete(event.id)) this.redelivered++
      else this.doubled.push(event)
    }
  }

  /** The window is checkpointed up to this position; or to its end. */
  saved(upTo = Number.POSITIVE_INFINITY): void {
    for (const open of [this.#unsaved, this.#excused])
      for (const [id, position] of open) if (position <= upTo) open.delete(id)
  }

  restarted(): void {
    for (const [id, position] of this.#unsaved) this.#excused.set(id, position)
    this.#unsaved.clear()
  }
}
