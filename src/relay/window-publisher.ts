import type { LogReader, Page } from '../event-log/log-reader.js'
import { Checkpoints } from './checkpoints.js'
import type { Handover, Offer } from './handover.js'
import { RESEND_HORIZON } from './recovered-events.js'
import type { Refusals } from './refusals.js'
import type { RelayContext } from './relay-context.js'

/** Publishes an open window page by page: one is read while those before it are published, and then checkpointed. */
export class WindowPublisher {
  readonly #context: RelayContext
  readonly #reader: LogReader
  readonly #handover: Handover
  readonly #refusals: Refusals
  readonly #checkpoints: Checkpoints
  readonly #offered: { readonly page: Page; readonly offer: Offer }[] = []
  #ahead: Promise<Page> | undefined
  /** Events that were read since progress was known to be stored. */
  #unstored = 0
  #position: number
  #count = 0
  #ended = false

  constructor(context: RelayContext, reader: LogReader, handover: Handover, refusals: Refusals) {
    this.#context = context
    this.#reader = reader
    this.#handover = handover
    this.#refusals = refusals
    this.#checkpoints = new Checkpoints(reader)
    this.#position = reader.page
  }

  /**
   * Publishes until the window ends, the relay is stopped, or `interrupted` says that something else is to be done
   * while no page is open.
   *
   * @returns whether the window is published and closed.
   */
  async publish(interrupted: () => boolean): Promise<boolean> {
    const { maxOpenPages = 1 } = this.#context.options.publisher
    this.#ahead ??= this.#read(this.#position)
    let goesOn = true
    for (;;) {
      while (goesOn && this.#ahead !== undefined && this.#offered.length < maxOpenPages) {
        await this.#offer(this.#ahead)
        goesOn = !interrupted()
      }
      if (this.#offered.length === 0) break
      await this.#settle()
    }
    await this.#checkpoints.flush()
    if (!this.#ended) return false
    this.#handover.windowEnded()
    await this.#reader.closeWindow({
      position: this.#position,
      publisherState: this.#handover.publisherState,
      setAside: this.#refusals.take(this.#position),
    })
    return true
  }

  /** Events of the window so far. */
  get count(): number {
    return this.#count
  }

  #read(after: number): Promise<Page> {
    const { batchSize, batchBytes } = this.#context.options
    const page = this.#reader.readPage(after, batchSize, batchBytes)
    page.catch(() => {}) // thrown when it is offered, unless something else is thrown first
    return page
  }

  async #offer(ahead: Promise<Page>): Promise<void> {
    const page = await ahead
    this.#ahead = page.end === undefined || this.#context.stopping.aborted ? undefined : this.#read(page.end)
    this.#unstored += page.events.length
    if (this.#unstored > RESEND_HORIZON) {
      await this.#checkpoints.flush()
      this.#unstored = this.#offered.reduce((sum, open) => sum + open.page.events.length, page.events.length)
    }
    const alone = this.#offered.length === 0
    this.#offered.push({ page, offer: this.#handover.offer(page.events, alone) })
  }

  /** Waits for the first page that is open; if it leaves anything, for all. */
  async #settle(): Promise<void> {
    const { unacknowledged, state } = await this.#offered[0]!.offer.outcome
    const done = this.#offered.splice(0, unacknowledged.length === 0 ? 1 : this.#offered.length)
    if (unacknowledged.length > 0) {
      await this.#checkpoints.flush()
      await this.#handover.settle(done.map(({ offer }) => offer))
    }
    for (const { page } of done) {
      this.#count += page.events.length
      this.#position = page.events.at(-1)?.position ?? this.#position
      if (page.end === undefined) this.#ended = true
      else
        this.#checkpoints.save({
          position: page.end,
          publisherState: done.length === 1 ? state : undefined,
          setAside: this.#refusals.take(page.end),
        })
    }
  }
}
