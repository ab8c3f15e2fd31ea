import { LogReader, type Page } from '../event-log/log-reader.js'
import { Checkpoints } from './checkpoints.js'
import { Handover, type Offer } from './handover.js'
import type { Lease } from './lease.js'
import { RESEND_HORIZON } from './recovered-events.js'
import type { RelayContext } from './relay-context.js'

/** Publishes the log, window by window, for as long as the lease is held. */
export class Leader {
  readonly #context: RelayContext
  readonly #lease: Lease
  #pollMs: number

  constructor(context: RelayContext, lease: Lease) {
    this.#context = context
    this.#lease = lease
    this.#pollMs = context.options.minPollMs
  }

  /** Returns when the relay is stopped. @throws `ERR_OUTBOX_LEASE_LOST`, and what the database throws. */
  async lead(): Promise<void> {
    const { drains, log, options, stopping, wake } = this.#context
    const reader = await LogReader.load(log, this.#lease.claim, options.db['~drizzle-outbox'].source)
    const handover = new Handover(this.#context, this.#lease, reader)
    await handover.prepare()
    while (!stopping.aborted) {
      wake.reset()
      const waiting = drains.current()
      if (await reader.openWindow(handover.publisherState)) {
        this.#context.enter('publishing')
        this.#pollMs = options.minPollMs
        if (await this.#publishWindow(reader, handover)) continue
      } else {
        this.#context.resume()
        for (const waiter of waiting) waiter.resolve()
      }
      this.#context.enter('idle')
      await this.#idle()
    }
  }

  async #idle(): Promise<void> {
    const { options, stopping, wake } = this.#context
    const woken = await wake.wait(this.#pollMs, stopping)
    this.#pollMs = woken ? options.minPollMs : Math.min(2 * this.#pollMs, options.maxPollMs)
    this.#lease.lost.throwIfAborted()
  }

  /**
   * Page by page: one is read while those before it are published, and checkpointed after its acknowledgements.
   *
   * @returns how many events it had.
   */
  async #publishWindow(reader: LogReader, handover: Handover): Promise<number> {
    const { events, options, stopping } = this.#context
    const { batchSize, batchBytes, publisher } = options
    const read = (after: number) => reader.readPage(after, batchSize, batchBytes)
    const checkpoints = new Checkpoints(reader)
    const offered: { readonly page: Page; readonly offer: Offer }[] = []
    const inHand = () => offered.reduce((sum, { page }) => sum + page.events.length, 0)
    let published = 0
    let unstored = 0
    let ended = false
    let ahead: Promise<Page> | undefined = read(reader.page)
    for (;;) {
      while (ahead !== undefined && offered.length < (publisher.maxOpenPages ?? 1)) {
        const page: Page = await ahead
        ahead = page.end === undefined || stopping.aborted ? undefined : read(page.end)
        ahead?.catch(() => {}) // thrown above, unless something else is thrown first
        unstored += page.events.length
        if (unstored > RESEND_HORIZON) {
          await checkpoints.flush()
          unstored = inHand() + page.events.length
        }
        offered.push({ page, offer: handover.offer(page.events) })
      }
      if (offered[0] === undefined) break
      const { unacknowledged, state } = await offered[0].offer.outcome
      const done = offered.splice(0, unacknowledged.length === 0 ? 1 : offered.length)
      if (unacknowledged.length > 0) {
        await checkpoints.flush()
        await handover.settle(done.map(({ offer }) => offer))
      }
      for (const { page } of done) {
        published += page.events.length
        if (page.end === undefined) ended = true
        else checkpoints.save({ position: page.end, publisherState: done.length === 1 ? state : undefined })
      }
    }
    await checkpoints.flush()
    if (!ended) return published // stopped
    handover.windowEnded()
    await reader.closeWindow(handover.publisherState)
    events.emit({ type: 'checkpoint', events: published })
    return published
  }
}
