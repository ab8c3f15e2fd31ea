import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { isOutboxError } from '../../errors.js'
import type { RecordedEvent } from '../../events/domain-event.js'
import type {
  Publisher,
  PublishOptions,
  PublishOutcome,
  Recovered,
  RecoverFrom,
} from '../../publishers/publisher.js'
import { checkOutcome } from './check-outcome.js'
import type { Deadline } from './deadline.js'
import { listOf, nameOf } from './describe-events.js'

/** A call of `publish` that is over. */
export interface Page {
  readonly events: readonly RecordedEvent[]
  readonly outcome: PublishOutcome
}

export interface DeliverOptions {
  /** @default 250 */
  readonly pageSize?: number
  /** Called with the number of a page, from 1, when it was opened. */
  readonly onPage?: (page: number) => void | Promise<void>
}

/** A publisher in the hands of a relay that looks closely. */
export class TestedPublisher {
  readonly publisher: Publisher
  readonly #deadline: Deadline
  /** Ids of the events that any publisher of the case was given. */
  readonly #handedOver: Set<string>
  /** As of the last look at the destination. */
  #state: string | undefined
  /** Nothing is published before the destination is looked at. */
  #troubled = true
  #open = 0

  constructor(publisher: Publisher, deadline: Deadline, handedOver: Set<string>) {
    this.publisher = publisher
    this.#deadline = deadline
    this.#handedOver = handedOver
  }

  get #maxOpenPages(): number {
    return this.publisher.maxOpenPages ?? 1
  }

  /** A relay may give it a page before it sees the outcome of the one before. */
  get isGivenPagesAhead(): boolean {
    return this.#maxOpenPages > 1
  }

  prepare(): Promise<void> {
    const context = { leaseMs: LEASE_MS, signal: never }
    return this.#deadline.settled('prepare', this.publisher.prepare(context))
  }

  /** Nothing at all from a publisher that cannot. */
  async recover(from: Partial<RecoverFrom> = {}): Promise<Recovered> {
    const options = { state: undefined, unsettled: true, signal: never, ...from }
    const recovered = this.publisher.recover?.(options)
    if (recovered === undefined) return { state: '', stored: new Set() }
    const { state, stored } = await this.#deadline.settled('recover', recovered)
    assert.equal(typeof state, 'string', 'recover gives no state')
    this.#state = state
    return { state, stored }
  }

  /** As a relay does that begins to lead. */
  async start(from?: Partial<RecoverFrom>): Promise<Recovered> {
    await this.prepare()
    const recovered = await this.recover(from)
    this.#troubled = false
    return recovered
  }

  /** As a relay does after an outage, which may not be over. */
  async restart(): Promise<Recovered> {
    for (;;) {
      try {
        return await this.start({ state: this.#state })
      } catch (error) {
        if (!isOutboxError(error) || error.code !== 'ERR_OUTBOX_UNAVAILABLE') throw error
        this.#deadline.check(`preparing, which fails with ${error.message},`)
      }
      await sleep(PAUSE_MS)
    }
  }

  async publish(
    events: readonly RecordedEvent[],
    { signal = never, maySend = () => true, outcomesSeen = false }: Partial<PublishOptions> = {},
  ): Promise<PublishOutcome> {
    const fresh = !events.some(({ id }) => this.#handedOver.has(id))
    const options = { signal, maySend, fresh, outcomesSeen }
    for (const { id } of events) this.#handedOver.add(id)
    const first = this.#open++ === 0 && !this.#troubled
    const outcome = await this.#deadline.settled('publish', this.#publish(events, options))
    this.#open--
    checkOutcome(events, outcome)
    if (outcome.unacknowledged.length > 0) this.#troubled = true
    if (first && !signal.aborted && maySend()) checkReason(outcome)
    return outcome
  }

  async #publish(events: readonly RecordedEvent[], options: PublishOptions): Promise<PublishOutcome> {
    try {
      return await this.publisher.publish(events, options)
    } catch (error) {
      assert.fail(`publish must not throw: ${error instanceof Error ? error.stack : error}`)
    }
  }

  /**
   * Publishes as a relay does, until all of it is acknowledged: none of it may be refused. Looks at the destination first,
   * if that was not done since the last trouble.
   */
  async deliver(events: readonly RecordedEvent[], options: DeliverOptions = {}): Promise<readonly Page[]> {
    const pages: Page[] = []
    for (let left = events; left.length > 0; ) {
      const { stored } = this.#troubled ? await this.restart() : { stored: new Set() }
      const missing = left.filter(({ id }) => !stored.has(id))
      const done = await this.#offer(missing, options, pages.length)
      for (const { outcome } of done) assert.deepEqual(outcome.refused, [], 'it is refused, and need not be')
      pages.push(...done)
      const acknowledged = new Set(done.flatMap(acknowledgedOf))
      left = missing.filter((event) => !acknowledged.has(event))
      this.#deadline.check('delivering')
    }
    return pages
  }

  /** Opens as many of the pages at a time as the publisher allows, and no others. */
  openPages(pages: readonly (readonly RecordedEvent[])[]): Promise<Page[]> {
    const beside = pages.slice(0, this.#maxOpenPages)
    return Promise.all(beside.map(async (events) => ({ events, outcome: await this.publish(events) })))
  }

  /** One pass over the events, which ends when a page is not acknowledged as a whole. */
  async #offer(events: readonly RecordedEvent[], options: DeliverOptions, before: number): Promise<Page[]> {
    const { pageSize = 250, onPage } = options
    const open: Promise<Page>[] = []
    const done: Page[] = []
    for (let at = 0; ; ) {
      while (at < events.length && open.length < this.#maxOpenPages && !this.#troubled) {
        const page = events.slice(at, at + pageSize)
        at += pageSize
        const published = this.publish(page).then((outcome) => ({ events: page, outcome }))
        published.catch(() => {}) // thrown below
        open.push(published)
        await onPage?.(before + done.length + open.length)
      }
      const first = open.shift()
      if (first === undefined) return done
      done.push(await first)
    }
  }

  close(): Promise<void> {
    return this.#deadline.settled('close', this.publisher.close())
  }
}

export function acknowledgedOf({ events, outcome }: Page): RecordedEvent[] {
  const left = new Set(outcome.unacknowledged)
  return events.filter((event) => !left.has(event))
}

/** A page may be held back because of one that was opened before it: then its outcome is the one that says why. */
function checkReason({ unacknowledged, unavailable, fenced, refused }: PublishOutcome): void {
  if (unacknowledged.length === 0 || unavailable || fenced || refused.length > 0) return
  assert.fail(`unacknowledged without a reason: ${listOf(unacknowledged.map(nameOf))}`)
}

const LEASE_MS = 15_000
const PAUSE_MS = 20
const never = new AbortController().signal
