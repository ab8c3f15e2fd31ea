import { LogReader } from '../event-log/log-reader.js'
import type { RecordedEvent } from '../events/domain-event.js'
import type { PublishOutcome } from '../publishers/publisher.js'
import { Checkpoints } from './checkpoints.js'
import type { Lease } from './lease.js'
import type { RelayContext } from './relay-context.js'
import { untilAborted } from './sleep.js'

/** Publishes the log, window by window, for as long as the lease is held. */
export class Leader {
  readonly #context: RelayContext
  readonly #lease: Lease
  readonly #signal: AbortSignal
  #pollMs: number

  constructor(context: RelayContext, lease: Lease) {
    this.#context = context
    this.#lease = lease
    this.#signal = AbortSignal.any([context.aborting, lease.lost])
    this.#pollMs = context.options.minPollMs
  }

  /** Returns when the relay is stopped. @throws `ERR_OUTBOX_LEASE_LOST`, and what the database throws. */
  async lead(): Promise<void> {
    const { db, drains, options, stopping, wake } = this.#context
    await this.#prepare()
    const reader = await LogReader.load(db, this.#lease.claim, options.db['~outbox'].source)
    while (!stopping.aborted) {
      wake.reset()
      const waiting = drains.current()
      if (await reader.openWindow()) {
        this.#context.enter('publishing')
        this.#pollMs = options.minPollMs
        if (await this.#publishWindow(reader)) continue
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
   * Page by page, the next one read while one is published. A page is checkpointed after its acknowledgements.
   *
   * @returns how many events it had.
   */
  async #publishWindow(reader: LogReader): Promise<number> {
    const { events, options, stopping } = this.#context
    const { batchSize } = options
    const checkpoints = new Checkpoints(reader)
    let published = 0
    let ahead = reader.readPage(reader.page, batchSize)
    for (;;) {
      const page = await ahead
      const more = page.length < batchSize ? undefined : page.at(-1)?.position // undefined: the window ends here
      if (more !== undefined && !stopping.aborted) {
        ahead = reader.readPage(more, batchSize)
        ahead.catch(() => {}) // thrown above, unless publishing throws first
      }
      await this.#publishPage(page)
      published += page.length
      if (more === undefined) break
      checkpoints.save(more)
      if (stopping.aborted) {
        await checkpoints.flush()
        return published
      }
    }
    await checkpoints.flush()
    await reader.closeWindow()
    events.emit({ type: 'checkpoint', events: published })
    return published
  }

  async #publishPage(page: readonly RecordedEvent[]): Promise<void> {
    const { events } = this.#context
    let pending = page
    while (pending.length > 0) {
      this.#lease.assertSure()
      const started = performance.now()
      const { unacknowledged, duplicates, refused, unavailable, failure } = await this.#hand(pending)
      const count = pending.length - unacknowledged.length
      pending = unacknowledged
      if (count > 0) {
        this.#context.resume()
        this.#context.enter('publishing')
        events.emit({ type: 'published', count, duplicates, durationMs: performance.now() - started })
      }
      for (const error of refused) events.emit({ type: 'refused', error })
      this.#signal.throwIfAborted()
      const reason = unavailable ?? refused[0] ?? failure ?? (count === 0 ? this.#unexplained() : undefined)
      if (reason !== undefined) await this.#pause(reason)
      if (unavailable !== undefined) await this.#prepare()
    }
  }

  /** A publisher that rejects has broken its promise; the relay keeps its own. */
  async #hand(events: readonly RecordedEvent[]): Promise<PublishOutcome & { readonly failure?: Error }> {
    const maySend = () => this.#lease.isSure()
    try {
      const published = this.#context.options.publisher.publish(events, { signal: this.#signal, maySend })
      return await untilAborted(published, this.#context.aborting)
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
    return new Error(
      `publisher ${this.#context.options.publisher.name} acknowledged nothing and gave no reason`,
    )
  }

  /** Until the destination is fit to be published to. */
  async #prepare(): Promise<void> {
    const { options } = this.#context
    for (;;) {
      try {
        const prepared = options.publisher.prepare({ leaseMs: options.leaseMs, signal: this.#signal })
        return await untilAborted(prepared, this.#signal)
      } catch (error) {
        this.#signal.throwIfAborted()
        await this.#pause(toError(error))
      }
    }
  }
}

export function toError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error))
}
