import { DeadLetters } from '../event-log/dead-letters.js'
import { LogReader } from '../event-log/log-reader.js'
import { Handover } from './handover.js'
import type { Lease } from './lease.js'
import { Refusals } from './refusals.js'
import type { RelayContext } from './relay-context.js'
import { Retries } from './retries.js'
import { publishSuspects } from './suspects.js'
import { WindowPublisher } from './window-publisher.js'

/** Publishes the log, window by window, for as long as the lease is held. */
export class Leader {
  readonly #context: RelayContext
  readonly #lease: Lease
  #pollMs: number
  #lookedAt = performance.now()

  constructor(context: RelayContext, lease: Lease) {
    this.#context = context
    this.#lease = lease
    this.#pollMs = context.options.minPollMs
  }

  /** Returns when the relay is stopped. @throws `ERR_OUTBOX_LEASE_LOST`, and what the database throws. */
  async lead(): Promise<void> {
    const { drains, held, log, options, stopping, wake } = this.#context
    const { source } = options.db['~drizzle-outbox']
    const letters = new DeadLetters(log, this.#lease.claim, source)
    const reader = await LogReader.load(log, this.#lease.claim, source)
    held.replace(await letters.heldAggregates())
    const interrupted = await letters.wasInterrupted()
    const refusals = new Refusals(this.#context)
    const handover = new Handover(this.#context, this.#lease, reader, refusals)
    const retries = new Retries(this.#context, letters, handover, refusals, interrupted)
    await handover.prepare(interrupted)
    while (!stopping.aborted) {
      wake.reset()
      const waiting = drains.current()
      await retries.run()
      if (await reader.openWindow(handover.publisherState)) {
        this.#context.enter('publishing')
        this.#pollMs = options.minPollMs
        await publishSuspects(this.#context, reader, handover, refusals)
        if (
          await this.#publishWindow(new WindowPublisher(this.#context, reader, handover, refusals), retries)
        )
          continue
      } else {
        this.#context.resume()
        if (!retries.pending) for (const waiter of waiting) waiter.resolve()
      }
      this.#context.enter('idle')
      await this.#idle(handover, retries)
    }
  }

  async #idle(handover: Handover, retries: Retries): Promise<void> {
    const { options, stopping, wake } = this.#context
    const woken = await wake.wait(Math.min(this.#pollMs, retries.dueInMs), stopping)
    this.#pollMs = woken ? options.minPollMs : Math.min(2 * this.#pollMs, options.maxPollMs)
    this.#lease.lost.throwIfAborted()
    if (performance.now() - this.#lookedAt < options.leaseMs) return
    // Nothing is published that would tell what has become of the destination.
    await handover.prepare()
    this.#lookedAt = performance.now()
  }

  /** @returns how many events it had. */
  async #publishWindow(window: WindowPublisher, retries: Retries): Promise<number> {
    const { events, stopping } = this.#context
    while (!(await window.publish(() => retries.isDue))) {
      if (stopping.aborted) return window.count
      await retries.run()
    }
    events.emit({ type: 'checkpoint', events: window.count })
    return window.count
  }
}
