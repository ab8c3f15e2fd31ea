import type { LogReader } from '../event-log/log-reader.js'
import type { RecordedEvent } from '../events/domain-event.js'
import type { PublishOutcome } from '../publishers/publisher.js'
import type { Lease } from './lease.js'
import { RecoveredEvents } from './recovered-events.js'
import type { RelayContext } from './relay-context.js'
import { untilAborted } from './sleep.js'
import { toError } from './to-error.js'

/** A page in the publisher's hands. */
export interface Offer {
  readonly events: readonly RecordedEvent[]
  readonly outcome: Promise<Outcome>
}

export type Outcome = PublishOutcome & {
  /** What the publisher threw, which it must not. */
  readonly failure?: Error
}

/** Between the log and the publisher: hands events over, again and again until all are acknowledged. */
export class Handover {
  readonly #context: RelayContext
  readonly #lease: Lease
  readonly #reader: LogReader
  readonly #signal: AbortSignal
  #recovered = new RecoveredEvents()
  #state: string | undefined

  constructor(context: RelayContext, lease: Lease, reader: LogReader) {
    this.#context = context
    this.#lease = lease
    this.#reader = reader
    this.#signal = AbortSignal.any([context.aborting, lease.lost])
  }

  /** Where the publisher is when everything that was handed over is acknowledged. */
  get publisherState(): string | undefined {
    return this.#state
  }

  /** Until the destination is fit to be published to, and it is known what it has of the events to come. */
  async prepare(): Promise<void> {
    for (;;) {
      try {
        return await untilAborted(this.#prepare(), this.#signal)
      } catch (error) {
        this.#signal.throwIfAborted()
        await this.#pause(toError(error))
      }
    }
  }

  async #prepare(): Promise<void> {
    const { leaseMs, publisher } = this.#context.options
    const signal = this.#signal
    await publisher.prepare({ leaseMs, signal })
    const { publisherState, windowIsOpen } = this.#reader
    const recovered = await publisher.recover?.({ state: publisherState, unsettled: windowIsOpen, signal })
    this.#recovered = new RecoveredEvents(recovered?.stored, windowIsOpen)
    this.#state = recovered?.state ?? this.#state
  }

  /** Hands a page over; the next may be handed over beside it. What it leaves unacknowledged is for `settle`. */
  offer(events: readonly RecordedEvent[]): Offer {
    const outcome = this.#offer(events)
    outcome.catch(() => {}) // thrown to whoever waits for it
    return { events, outcome }
  }

  /** @returns its outcome, whose `state` is only there if a relay that comes after this one needs nothing before it. */
  async #offer(events: readonly RecordedEvent[], again = false): Promise<Outcome> {
    this.#lease.assertSure()
    const startedAt = performance.now()
    const fresh = !again && this.#recovered.fresh
    const missing = this.#recovered.missing(events)
    if (!again) this.#recovered.advance(events.length)
    const { passed } = this.#recovered
    const { state, ...outcome } = await this.#publish(missing, fresh)
    const count = events.length - outcome.unacknowledged.length
    if (count > 0) {
      this.#context.resume()
      this.#context.enter('publishing')
      const duplicates = outcome.duplicates + events.length - missing.length
      const durationMs = performance.now() - startedAt
      this.#context.events.emit({ type: 'published', count, duplicates, durationMs })
    }
    for (const error of outcome.refused) this.#context.events.emit({ type: 'refused', error })
    this.#signal.throwIfAborted()
    this.#state = state ?? this.#state
    return passed && state !== undefined ? { ...outcome, state } : outcome
  }

  /** Hands over again what offers have left, until all of it is acknowledged. */
  async settle(offers: readonly Offer[]): Promise<void> {
    let open = await Promise.all(offers.map(({ outcome }) => outcome))
    for (;;) {
      const left = open.flatMap(({ unacknowledged }) => unacknowledged)
      if (left.length === 0) break
      await this.#recover(open)
      open = [await this.#offer(left, true)]
    }
    for (const { events } of offers) this.#recovered.missing(events)
  }

  /** The window is published: what else the destination has, nobody is going to ask. */
  windowEnded(): void {
    this.#recovered = new RecoveredEvents()
  }

  async #recover(outcomes: readonly Outcome[]): Promise<void> {
    const unavailable = outcomes.find((outcome) => outcome.unavailable)?.unavailable
    const fenced = outcomes.find((outcome) => outcome.fenced)?.fenced
    const failure = outcomes.find((outcome) => outcome.failure)?.failure
    const refused = outcomes.flatMap((outcome) => outcome.refused)
    const reason = unavailable ?? fenced ?? failure ?? refused[0] ?? this.#unexplained()
    await this.#pause(reason)
    if (fenced) await this.#lease.confirm()
    if (reason !== refused[0]) await this.prepare()
  }

  /** A publisher that rejects has broken its promise; the relay keeps its own. */
  async #publish(events: readonly RecordedEvent[], fresh: boolean): Promise<Outcome> {
    if (events.length === 0) return { unacknowledged: [], duplicates: 0, refused: [] }
    const { options, aborting } = this.#context
    const maySend = () => this.#lease.isSure()
    try {
      const published = options.publisher.publish(events, { signal: this.#signal, maySend, fresh })
      return await untilAborted(published, aborting)
    } catch (error) {
      return { unacknowledged: events, duplicates: 0, refused: [], failure: toError(error) }
    }
  }

  async #pause(error: Error): Promise<void> {
    await this.#context.pause('broker', error, this.#lease.lost)
    this.#lease.lost.throwIfAborted()
  }

  /** A publisher that gets nowhere and does not say why must not keep the relay spinning. */
  #unexplained(): Error {
    this.#lease.assertSure()
    const { name } = this.#context.options.publisher
    return new Error(`publisher ${name} left events unacknowledged and gave no reason`)
  }
}
