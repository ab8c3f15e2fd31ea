import { messageId, type RecordedEvent } from '../events/domain-event.js'

/**
 * Events that a relay hands over beyond what its stored checkpoint says, at most. Whoever comes after it finds them
 * among the first so many of the window, and need not remember more.
 */
export const RESEND_HORIZON = 50_000

/** What the destination was found to have of the events that come next. */
export class RecoveredEvents {
  readonly #stored: Set<string>
  #left: number

  /** @param unsettled whether any event that comes may have been handed over before. */
  constructor(stored: ReadonlySet<string> = new Set(), unsettled = false) {
    this.#stored = new Set(stored)
    this.#left = unsettled ? RESEND_HORIZON : 0
  }

  /** The destination has nothing of the events that come now. */
  get passed(): boolean {
    return this.#stored.size === 0
  }

  /** No event that comes now was ever handed over. */
  get fresh(): boolean {
    return this.#left <= 0
  }

  has(event: RecordedEvent): boolean {
    return this.#stored.has(messageId(event))
  }

  /** The events that the destination has not. */
  missing(events: readonly RecordedEvent[]): readonly RecordedEvent[] {
    return this.passed ? events : events.filter((event) => !this.#stored.delete(messageId(event)))
  }

  /** So many events of the window have come, each counted once. */
  advance(count: number): void {
    this.#left -= count
    if (this.fresh) this.#stored.clear()
  }
}
