import type { DeadLetters, DueEvent, FailedAgain } from '../event-log/dead-letters.js'
import type { RecordedEvent } from '../events/domain-event.js'
import type { Handover, Outcome } from './handover.js'
import type { Refusals } from './refusals.js'
import type { RelayContext } from './relay-context.js'
import { relayDied } from './suspects.js'

/** Publishes what was set aside once it is due, and after it what waits for it. */
export class Retries {
  readonly #context: RelayContext
  readonly #letters: DeadLetters
  readonly #handover: Handover
  readonly #refusals: Refusals
  /** A relay has died in the middle of an attempt: it is found out which of them does it. */
  #oneByOne: boolean
  #nextLookAt = 0
  #pending = false

  constructor(
    context: RelayContext,
    letters: DeadLetters,
    handover: Handover,
    refusals: Refusals,
    interrupted: boolean,
  ) {
    this.#context = context
    this.#letters = letters
    this.#handover = handover
    this.#refusals = refusals
    this.#oneByOne = interrupted
  }

  /** How long until it is to be run again, in milliseconds. */
  get dueInMs(): number {
    return Math.max(0, Math.min(this.#nextLookAt, this.#refusals.dueAt) - performance.now())
  }

  get isDue(): boolean {
    return this.dueInMs === 0
  }

  /** Whether events are going to be tried again without anybody's asking. */
  get pending(): boolean {
    return this.#pending || this.#refusals.dueAt !== Number.POSITIVE_INFINITY
  }

  /** Publishes some of those that are due. Call it while no page is open. */
  async run(): Promise<void> {
    if (!this.isDue) return
    this.#refusals.looked()
    const dueInMs = await this.#letters.nextDue()
    const isDue = dueInMs === 0
    if (isDue) await this.#attempt(await this.#letters.takeDue(this.#oneByOne ? 1 : MAX_DUE))
    else this.#oneByOne = false
    const { held, options } = this.#context
    this.#refusals.release(await this.#letters.released(held.next(MAX_HELD)))
    this.#pending = dueInMs !== undefined
    // Where nothing is held, there is little that an operator could have decided.
    const lookMs = held.size > 0 ? LOOK_MS : Math.max(LOOK_MS, options.maxPollMs)
    this.#nextLookAt = performance.now() + Math.min(lookMs, dueInMs ?? lookMs)
  }

  async #attempt(due: readonly DueEvent[]): Promise<void> {
    if (due.length === 0) return
    const { batchSize, maxAttempts } = this.#context.options
    const events = await this.#letters.readRuns(due, Math.ceil(batchSize / due.length))
    const deadly = due.filter(({ interrupted, attempts }) => interrupted && attempts > maxAttempts)
    const outcome = await this.#handover.offerAgain(
      events,
      (event) => !deadly.some((one) => holds(one, event)),
    )
    const failed = this.#failures(due, outcome, deadly)
    const left = new Set(outcome.unacknowledged.map(({ position }) => position))
    for (const { position } of failed) left.delete(position)
    const positions = new Set([...due, ...events].map(({ position }) => position))
    for (const { position } of failed) positions.delete(position)
    await this.#letters.settle({
      // Also those that somebody has deleted from the log.
      published: [...positions].filter((position) => !left.has(position)),
      failed,
      untried: due.map(({ position }) => position).filter((position) => left.has(position)),
    })
    this.#refusals.release(await this.#letters.released(due.filter((one) => one.holds)))
    await this.#handover.recoverFrom(outcome)
  }

  #failures(
    due: readonly DueEvent[],
    { refused, unacknowledged }: Outcome,
    deadly: readonly DueEvent[],
  ): FailedAgain[] {
    const attemptsOf = ({ position }: RecordedEvent) =>
      due.find((one) => one.position === position)?.attempts ?? 1
    return unacknowledged.flatMap((event) => {
      const error =
        refused.find(({ details }) => details.eventId === event.id) ??
        (deadly.some(({ position }) => position === event.position) ? relayDied(event.id) : undefined)
      return error === undefined ? [] : [this.#refusals.judge(event, error, attemptsOf(event))]
    })
  }
}

/** Whether an event has to wait for another, or is the other. */
function holds(one: DueEvent, event: RecordedEvent): boolean {
  const { aggregateType, aggregateId } = event
  if (!one.holds) return one.position === event.position
  return one.aggregateType === aggregateType && one.aggregateId === aggregateId
}

/** Events that are taken at a time, each with what waits for it. */
const MAX_DUE = 100

/** Held aggregates that are looked after at a time. */
const MAX_HELD = 1000

/** How soon it is noticed what an operator has decided. */
const LOOK_MS = 1000
