import type { RecordedEvent } from '../../events/domain-event.js'
import type { PublishOptions, PublishOutcome } from '../publisher.js'
import type { PublishError } from './broker-errors.js'
import type { Ack } from './pub-ack.js'

/** Why a call ends before all its events are acknowledged. */
export type Halt = Pick<PublishOutcome, 'unavailable' | 'fenced'>

/** Takes what becomes of an entry that was sent. */
export interface Settler {
  settle(entry: Entry, result: Ack | PublishError): void
}

/** A call of `publish` that is not over, and what has become of each of its events. */
export class OpenPage {
  readonly pipeline: Settler
  readonly options: PublishOptions
  readonly outcome: Promise<PublishOutcome>
  /** The stream's last sequence when it was handed over: what is stored of it is stored after that. */
  readonly after: number
  /** The stream's last sequence when the next page was handed over, whose events are all stored after it. */
  next: number | undefined
  readonly #events: readonly RecordedEvent[]
  readonly #acknowledged: Uint8Array
  readonly #refused: PublishOutcome['refused'][number][] = []
  #resolve!: (outcome: PublishOutcome) => void
  #duplicates = 0
  #undecided: number
  #inFlight = 0
  #over = false

  constructor(pipeline: Settler, events: readonly RecordedEvent[], options: PublishOptions, after: number) {
    this.after = after
    this.pipeline = pipeline
    this.options = options
    this.#events = events
    this.#acknowledged = new Uint8Array(events.length)
    this.#undecided = events.length
    this.outcome = new Promise((resolve) => {
      this.#resolve = resolve
    })
  }

  /** An answer that comes now comes too late. */
  get over(): boolean {
    return this.#over
  }

  get inFlight(): number {
    return this.#inFlight
  }

  /** Of every event it is known whether this call has stored it. */
  get decided(): boolean {
    return this.#undecided === 0
  }

  sent(): void {
    this.#inFlight++
  }

  /** What was sent is answered for, or given up. */
  returned(): void {
    this.#inFlight--
  }

  acknowledged(index: number, duplicate: boolean): void {
    this.#acknowledged[index] = 1
    this.#undecided--
    if (duplicate) this.#duplicates++
  }

  refused(error: PublishOutcome['refused'][number]): void {
    this.#refused.push(error)
    this.#undecided--
  }

  /** An event whose aggregate has one before it that is not stored. */
  heldBack(): void {
    this.#undecided--
  }

  /** Ends the call; what is not acknowledged by now is reported as that. */
  close(state: string, halt: Halt = {}): void {
    if (this.#over) return
    this.#over = true
    const complete = !this.#acknowledged.includes(0)
    this.#resolve({
      unacknowledged: complete ? [] : this.#events.filter((_, index) => this.#acknowledged[index] === 0),
      duplicates: this.#duplicates,
      refused: this.#refused,
      state,
      ...halt,
    })
  }
}

/** An event of a page, on its way. */
export class Entry {
  readonly event: RecordedEvent
  readonly page: OpenPage
  readonly index: number
  /** The event of the same aggregate that follows it. */
  next: Entry | undefined
  /** The stream's last sequence when this one is to be stored, where that is asked for. */
  expectedLast: number | undefined
  /** Of its data, once it is a message. */
  bytes = 0
  subject = ''

  constructor(event: RecordedEvent, page: OpenPage, index: number) {
    this.event = event
    this.page = page
    this.index = index
  }
}
