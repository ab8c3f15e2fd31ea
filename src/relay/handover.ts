import type { LogReader } from '../event-log/log-reader.js'
import type { RecordedEvent } from '../events/domain-event.js'
import type { PublishOptions, PublishOutcome } from '../publishers/publisher.js'
import type { Lease } from './lease.js'
import { publisherFailed, publisherThrew } from './publisher-failed.js'
import { RESEND_HORIZON, RecoveredEvents } from './recovered-events.js'
import type { Refusals } from './refusals.js'
import type { RelayContext } from './relay-context.js'
import { publishedEvent } from './relay-events.js'
import { untilAborted } from './sleep.js'

/** A page in the publisher's hands. */
export interface Offer {
  readonly events: readonly RecordedEvent[]
  readonly outcome: Promise<Outcome>
}

export type Outcome = PublishOutcome & {
  /** What the publisher threw, which it must not. */
  readonly failure?: Error
}

/** Between the log and the publisher: hands events over, again and again until all are acknowledged or set aside. */
export class Handover {
  readonly #context: RelayContext
  readonly #lease: Lease
  readonly #reader: LogReader
  readonly #refusals: Refusals
  readonly #signal: AbortSignal
  #recovered: RecoveredEvents
  #state: string | undefined
  #unsure: { readonly error: unknown } | undefined

  constructor(context: RelayContext, lease: Lease, reader: LogReader, refusals: Refusals) {
    this.#context = context
    this.#lease = lease
    this.#reader = reader
    this.#refusals = refusals
    this.#signal = AbortSignal.any([context.aborting, lease.lost])
    this.#recovered = new RecoveredEvents(reader.windowIsOpen)
  }

  /** Where the publisher is when everything that was handed over is acknowledged. */
  get publisherState(): string | undefined {
    return this.#state
  }

  /**
   * Until the destination is fit to be published to, and it is known what it has of the events to come.
   *
   * @param unsettled whether events outside of an open window may have been handed over.
   */
  async prepare(unsettled = false): Promise<void> {
    for (;;) {
      try {
        return await untilAborted(this.#prepare(unsettled), this.#signal)
      } catch (error) {
        this.#signal.throwIfAborted()
        await this.#pause(publisherThrew(this.#context.options.publisher.name, error))
        await this.#lease.confirm() // an operator may have asked for a replay, which fences whoever leads
      }
    }
  }

  async #prepare(unsettled: boolean): Promise<void> {
    const { leaseMs, publisher } = this.#context.options
    const signal = this.#signal
    this.#context.available.reset()
    await publisher.prepare({ leaseMs, signal })
    const { publisherState, replay, windowIsOpen } = this.#reader
    const recovered = await publisher.recover?.({
      state: publisherState,
      unsettled: unsettled || windowIsOpen,
      replay,
      signal,
    })
    const stored = recovered?.stored ?? new Set()
    const byEarlierRelay = !unsettled && !this.#recovered.fresh
    const found = byEarlierRelay ? await this.#reader.stillToCome(stored, RESEND_HORIZON) : stored
    this.#recovered.found(found, unsettled)
    this.#state = recovered?.state ?? this.#state
    if (replay !== 'asked') return
    await this.#reader.beginReplay()
    this.#context.events.emit({ type: 'replayBegun', position: this.#reader.replayFrom ?? 0 })
  }

  /**
   * Hands a page over; the next may be handed over beside it. What it leaves unacknowledged is for `settle`.
   *
   * @param alone whether no other page is open.
   */
  offer(page: readonly RecordedEvent[], alone: boolean): Offer {
    const events = this.#refusals.withhold(page)
    const fresh = this.#recovered.fresh
    const missing = this.#recovered.missing(events)
    this.#recovered.advance(page.length)
    const outcome = this.#offer(events, missing, { fresh, outcomesSeen: alone })
    outcome.catch(() => {}) // thrown to whoever waits for it
    return { events, outcome }
  }

  /** @returns its outcome, whose `state` is only there if a relay that comes after this one needs nothing before it. */
  async #offer(
    events: readonly RecordedEvent[],
    missing: readonly RecordedEvent[],
    options: Pick<PublishOptions, 'fresh' | 'outcomesSeen'>,
  ): Promise<Outcome> {
    this.#assertSure()
    const startedAt = performance.now()
    const { passed } = this.#recovered
    const { state, ...outcome } = await this.#publish(missing, options)
    const count = events.length - outcome.unacknowledged.length
    if (count > 0) {
      this.#context.resume()
      this.#context.enter('publishing')
      const duplicates = outcome.duplicates + events.length - missing.length
      const durationMs = performance.now() - startedAt
      this.#context.events.emit(publishedEvent(acknowledgedOf(events, outcome), duplicates, durationMs))
    }
    this.#signal.throwIfAborted()
    this.#state = state ?? this.#state
    return passed && state !== undefined ? { ...outcome, state } : outcome
  }

  /** No page goes after one that could not, though the lease was renewed meanwhile: it would overtake that one. */
  #assertSure(): void {
    if (this.#unsure) throw this.#unsure.error
    try {
      this.#lease.assertSure()
    } catch (error) {
      this.#unsure = { error }
      throw error
    }
  }

  /** Hands over again what offers have left, until all of it is acknowledged or set aside. */
  async settle(offers: readonly Offer[]): Promise<void> {
    let open = await Promise.all(offers.map(({ outcome }) => outcome))
    for (;;) {
      const unacknowledged = open.flatMap((outcome) => outcome.unacknowledged)
      const refused = this.#refusals.refused(
        unacknowledged,
        open.flatMap((outcome) => outcome.refused),
      )
      const left = this.#refusals.withhold(unacknowledged)
      if (left.length === 0) break
      const trouble = troubleOf(open)
      if (trouble || refused === 0) await this.#recover(trouble ?? { reason: this.#unexplained() })
      const missing = this.#recovered.missing(left)
      open = [await this.#offer(left, missing, { fresh: false, outcomesSeen: true })]
    }
    for (const { events } of offers) this.#recovered.missing(events)
    this.#recovered.settled()
  }

  /** Hands events over once that were set aside, while no page is open. What is acknowledged, the stream had or has now. */
  async offerAgain(
    events: readonly RecordedEvent[],
    maySend: (event: RecordedEvent) => boolean,
  ): Promise<Outcome> {
    const missing = this.#recovered.missing(events)
    const sendable = missing.filter(maySend)
    const unsent = missing.filter((event) => !maySend(event))
    const others = events.filter((event) => !unsent.includes(event))
    const outcome = await this.#offer(others, sendable, { fresh: false, outcomesSeen: true })
    return { ...outcome, unacknowledged: [...outcome.unacknowledged, ...unsent] }
  }

  /** After a call that failed for reasons of the destination, or of the lease. */
  async recoverFrom(outcome: Outcome): Promise<void> {
    const trouble = troubleOf([outcome])
    if (trouble) await this.#recover(trouble, true)
  }

  /** Whether the destination was found to have an event that comes now. */
  isStored(event: RecordedEvent): boolean {
    return this.#recovered.has(event)
  }

  /** The window is published: what else the destination has, nobody is going to ask. */
  windowEnded(): void {
    this.#recovered = new RecoveredEvents()
  }

  async #recover({ reason, fenced }: Trouble, unsettled = false): Promise<void> {
    await this.#pause(reason)
    if (fenced) await this.#lease.confirm()
    await this.prepare(unsettled)
  }

  /** A publisher that rejects has broken its promise; the relay keeps its own. */
  async #publish(
    events: readonly RecordedEvent[],
    how: Pick<PublishOptions, 'fresh' | 'outcomesSeen'>,
  ): Promise<Outcome> {
    if (events.length === 0) return { unacknowledged: [], duplicates: 0, refused: [] }
    const { options, aborting } = this.#context
    const maySend = () => this.#lease.isSure()
    try {
      const published = options.publisher.publish(events, { signal: this.#signal, maySend, ...how })
      return await untilAborted(published, aborting)
    } catch (error) {
      const failure = publisherThrew(options.publisher.name, error)
      return { unacknowledged: events, duplicates: 0, refused: [], failure }
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
    return publisherFailed(name, 'left events unacknowledged and gave no reason')
  }
}

/** Why a publisher could not be used, apart from refusals. */
interface Trouble {
  readonly reason: Error
  readonly fenced?: boolean
}

function troubleOf(outcomes: readonly Outcome[]): Trouble | undefined {
  const unavailable = outcomes.find((outcome) => outcome.unavailable)?.unavailable
  const fenced = outcomes.find((outcome) => outcome.fenced)?.fenced
  const failure = outcomes.find((outcome) => outcome.failure)?.failure
  const reason = unavailable ?? fenced ?? failure
  return reason && { reason, fenced: fenced !== undefined }
}

function acknowledgedOf(events: readonly RecordedEvent[], { unacknowledged }: Outcome) {
  if (unacknowledged.length === 0) return events
  const left = new Set(unacknowledged.map(({ id }) => id))
  return events.filter(({ id }) => !left.has(id))
}
