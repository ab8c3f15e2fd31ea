import type { OutboxError } from '../errors.js'
import type { AggregateKey, FailedAgain } from '../event-log/dead-letters.js'
import type { SetAside } from '../event-log/set-aside.js'
import type { RecordedEvent } from '../events/domain-event.js'
import type { PublishOutcome } from '../publishers/publisher.js'
import { pauseAfter } from './backoff.js'
import type { RelayContext } from './relay-context.js'

export type Refusal = PublishOutcome['refused'][number]

/** What the broker refuses is set aside, and its aggregate held: everything else goes on. */
export class Refusals {
  readonly #context: RelayContext
  readonly #setAside = new Map<number, SetAside>()
  #dueAt = Number.POSITIVE_INFINITY

  constructor(context: RelayContext) {
    this.#context = context
  }

  /** Sets aside what has to wait. @returns what may be published. */
  withhold(events: readonly RecordedEvent[]): readonly RecordedEvent[] {
    const { going, waiting } = this.#context.held.split(events)
    for (const { position } of waiting)
      if (!this.#setAside.has(position))
        this.#setAside.set(position, { position, state: 'waiting', holds: true })
    return going
  }

  /** Sets aside what was refused of these events. @returns how many. */
  refused(events: readonly RecordedEvent[], errors: readonly Refusal[]): number {
    let count = 0
    for (const error of errors) {
      const event = events.find(({ id }) => id === error.details.eventId)
      if (event === undefined || this.#context.held.holds(event)) continue
      this.#put(event, this.judge(event, error, 1))
      count++
    }
    return count
  }

  /** Makes an event a dead letter at once. */
  giveUp(event: RecordedEvent, error: StoredError): void {
    this.#put(event, this.judge(event, error, this.#context.options.maxAttempts))
  }

  #put(event: RecordedEvent, { position, state, holds, ...failure }: FailedAgain): void {
    this.#setAside.set(position, { position, state, holds, failure })
    if (holds) this.#context.held.add(event)
    if (state === 'retrying') this.#dueAt = Math.min(this.#dueAt, performance.now() + failure.retryInMs)
  }

  /** When the first event that was set aside since {@link looked} is to be tried again, by `performance.now()`. */
  get dueAt(): number {
    return this.#dueAt
  }

  /** Whoever looks now finds in the database when each is due. */
  looked(): void {
    this.#dueAt = Number.POSITIVE_INFINITY
  }

  /** What becomes of an event that was refused for the so-manieth time. Says so to whoever listens. */
  judge(event: RecordedEvent, error: StoredError, attempts: number): FailedAgain {
    const { maxAttempts, minBackoffMs, maxBackoffMs, onRefused } = this.#context.options
    const { position, id: eventId, type, aggregateType, aggregateId } = event
    const about = { eventId, position, eventType: type, aggregateType, aggregateId, attempts, error }
    const { code, message } = bounded(error)
    const retryInMs = pauseAfter(attempts - 1, minBackoffMs, maxBackoffMs)
    if (attempts < maxAttempts) {
      this.#context.events.emit({ type: 'refused', ...about, retryInMs })
      return { position, state: 'retrying', holds: true, code, message, retryInMs }
    }
    const holds = onRefused[type] !== 'continue'
    this.#context.events.emit({ type: 'deadLettered', ...about, holds })
    return { position, state: 'parked', holds, code, message, retryInMs }
  }

  /** What was set aside up to a position, to be stored with the checkpoint that passes it. */
  take(position: number): SetAside[] {
    if (this.#setAside.size === 0) return []
    const taken = Array.from(this.#setAside.values()).filter((event) => event.position <= position)
    for (const event of taken) this.#setAside.delete(event.position)
    return taken
  }

  /** Those that need not wait any more. */
  release(aggregates: readonly AggregateKey[]): void {
    for (const aggregate of aggregates) {
      this.#context.held.release(aggregate)
      const { aggregateType, aggregateId } = aggregate
      this.#context.events.emit({ type: 'released', aggregateType, aggregateId })
    }
  }
}

export type StoredError = OutboxError<'ERR_OUTBOX_EVENT_REFUSED' | 'ERR_OUTBOX_RELAY_DIED'>

/** Our own messages carry nothing of an event; long ones are the broker's. */
function bounded({ code, message }: StoredError): { readonly code: string; readonly message: string } {
  const printable = message.replace(/\p{C}/gu, '\ufffd') // what PostgreSQL's text cannot hold, and terminals should not
  return { code, message: printable.length > MAX_ERROR ? `${printable.slice(0, MAX_ERROR)}…` : printable }
}

const MAX_ERROR = 500
