import { messageId, type RecordedEvent } from '../events/domain-event.js'

/**
 * Events that a relay hands over beyond what its stored checkpoint says, at most. Whoever comes after it finds them
 * among the first so many of the window, and need not remember more.
 */
export const RESEND_HORIZON = 50_000

/** What the destination was found to have of the events that come next. */
export class RecoveredEvents {
  #stored = new Set<string>()
  /** So many of the events to come an earlier relay may have handed over. */
  #left: number
  /** What was found may also be of events that were set aside, and come at any time. */
  #anyTime = false

  /** @param unsettled whether an earlier relay may have handed over any event that comes. */
  constructor(unsettled = false) {
    this.#left = unsettled ? RESEND_HORIZON : 0
  }

  /** @param anyTime whether it may also be of events that were set aside, and come at any time. */
  found(stored: ReadonlySet<string>, anyTime = false): void {
    this.#stored = new Set(stored)
    this.#anyTime ||= anyTime
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
    const { fresh } = this
    this.#left -= count
    if (!fresh) this.#forget()
  }

  /**
   * All events that have come are acknowledged. Whatever else was found of them is history: to remember it would keep
   * the checkpoint's place in the destination where it is, and what is read after an outage would grow with each one.
   */
  settled(): void {
    this.#forget()
  }

  #forget(): void {
    if (this.fresh && !this.#anyTime) this.#stored.clear()
  }
}
