import type { RecordedEvent } from '../../events/domain-event.js'
import type { PublishOptions, PublishOutcome } from '../publisher.js'
import { type PublishError, unavailable } from './broker-errors.js'
import { Entry, type Halt, OpenPage, type Settler } from './open-page.js'
import type { Ack } from './pub-ack.js'

/** Decides which event may be sent next, so that none can be stored out of order. */
export interface Order {
  /** Nothing is held back any more for what was refused before. */
  forgive(): void
  /** False: an event of its aggregate is not stored and not going to be; this one is held back. */
  add(entry: Entry): boolean
  /** Undefined: none at the moment. Asked again when something is settled. */
  next(): Entry | undefined
  /** The entry is in the stream. */
  acknowledged(entry: Entry, ack: Ack): void
  /** The broker has refused the entry. Holds back what follows it. */
  refused(entry: Entry): void
  /** The stream does not end where the entry expected it. False: not by our own doing, and nothing more can be sent. */
  misplaced(entry: Entry): boolean
  /** Nothing is in flight any more. */
  landed(): void
  /** No aggregate is held back. */
  readonly intact: boolean
}

/** Sends an entry, for which `Pipeline.settle` is called later; or returns why it was not sent. */
export type Send = (entry: Entry) => PublishError | undefined

export interface PipelineOptions {
  /** Events in flight at a time. */
  readonly window: number
  /** Bytes in flight at a time; one event may be larger. */
  readonly windowBytes: number
  /** The stream's last sequence when nothing is sent yet. */
  readonly lastSequence: number
  readonly stateOf: (lastSequence: number) => string
}

/** Keeps a window of events in flight, over all pages that are open. */
export class Pipeline implements Settler {
  readonly #order: Order
  readonly #send: Send
  readonly #options: PipelineOptions
  /** Free places that are waited for, when the window is full, so that many events share a write to the socket. */
  readonly #stride: number
  readonly #pages = new Set<OpenPage>()
  #lastSequence: number
  #inFlight = 0
  #bytes = 0
  #sending = false
  #halt: Halt | undefined

  constructor(order: Order, send: Send, options: PipelineOptions) {
    this.#order = order
    this.#send = send
    this.#options = options
    this.#stride = Math.ceil(options.window / 8)
    this.#lastSequence = options.lastSequence
  }

  publish(events: readonly RecordedEvent[], options: PublishOptions): Promise<PublishOutcome> {
    if (options.outcomesSeen) this.#order.forgive()
    for (const open of this.#pages) open.next ??= this.#lastSequence
    const page = new OpenPage(this, events, options, this.#lastSequence)
    const { signal } = options
    const abort = () => this.#abort()
    signal.addEventListener('abort', abort)
    void page.outcome.then(() => signal.removeEventListener('abort', abort))
    this.#pages.add(page)
    for (const [index, event] of events.entries())
      if (!this.#order.add(new Entry(event, page, index))) page.heldBack()
    if (signal.aborted) this.#abort()
    this.#advance()
    return page.outcome
  }

  /** Nothing has gone wrong that is not mended yet. */
  get intact(): boolean {
    return this.#halt === undefined && this.#order.intact
  }

  /** For good: whoever goes on begins with a new pipeline. */
  halt(halt: Halt): void {
    this.#halt ??= halt
  }

  /** Something was stored that did not go through here. */
  storedBeside(sequence: number): void {
    this.#lastSequence = Math.max(this.#lastSequence, sequence)
  }

  /** For `PublishOutcome`, when no page is open. */
  get state(): string {
    return this.#options.stateOf(this.#lastSequence)
  }

  /** Takes the answer to an entry that was sent, or the reason why there is none. */
  settle(entry: Entry, result: Ack | PublishError): void {
    this.#inFlight--
    this.#bytes -= entry.bytes
    entry.page.returned()
    if (!entry.page.over) this.#decide(entry, result)
    if (this.#inFlight === 0) this.#order.landed()
    this.#advance()
  }

  #decide(entry: Entry, result: Ack | PublishError): void {
    const { page } = entry
    if (!('code' in result)) {
      if (!result.duplicate && result.seq <= page.after) {
        this.halt({
          unavailable: unavailable('the stream is not the one that it was: its sequence went back'),
        })
        return
      }
      if (result.seq > this.#lastSequence) this.#lastSequence = result.seq
      page.acknowledged(entry.index, result.duplicate)
      this.#order.acknowledged(entry, result)
    } else if (result.code === 'ERR_OUTBOX_EVENT_REFUSED') {
      page.refused(result)
      this.#order.refused(entry)
    } else if (result.code === 'ERR_OUTBOX_UNAVAILABLE') this.halt({ unavailable: result })
    else if (!this.#order.misplaced(entry)) this.halt({ fenced: result })
  }

  #advance(): void {
    if (this.#sending) return // called from within send
    this.#sending = true
    if (this.#inFlight === 0 || this.#inFlight <= this.#options.window - this.#stride) this.#fill()
    this.#sending = false
    for (const page of this.#pages)
      if (page.inFlight === 0 && (page.decided || this.#halt !== undefined)) this.#close(page)
  }

  #fill(): void {
    const { window, windowBytes } = this.#options
    let sure = false
    while (this.#halt === undefined && this.#inFlight < window && this.#bytes < windowBytes) {
      const entry = this.#order.next()
      if (entry === undefined) return
      sure ||= entry.page.options.maySend()
      if (!sure) {
        this.halt({})
        return
      }
      const failure = this.#send(entry)
      if (failure !== undefined) this.#decide(entry, failure)
      else {
        this.#inFlight++
        this.#bytes += entry.bytes
        entry.page.sent()
      }
    }
  }

  #close(page: OpenPage): void {
    this.#pages.delete(page)
    page.close(this.#options.stateOf(page.next ?? this.#lastSequence), this.#halt)
  }

  #abort(): void {
    this.halt({})
    for (const page of this.#pages) this.#close(page)
  }
}
