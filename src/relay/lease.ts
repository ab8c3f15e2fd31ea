import { isOutboxError } from '../errors.js'
import type { EventLog } from '../event-log/database.js'
import { type Claim, claimRelay, leaseLost, releaseRelay, renewRelay } from '../event-log/relay-row.js'

/**
 * The right to publish, renewed while it is held. The database's clock alone says when it lapses; this process only
 * knows how long it can be sure of it, and counts from before it asked.
 */
export class Lease {
  readonly claim: Claim
  readonly #log: EventLog
  readonly #leaseMs: number
  readonly #marginMs: number
  readonly #lost = new AbortController()
  #asked: Instant
  #timer: NodeJS.Timeout | undefined

  private constructor(log: EventLog, claim: Claim, asked: Instant, options: LeaseOptions) {
    this.claim = claim
    this.#log = log
    this.#asked = asked
    this.#leaseMs = options.leaseMs
    this.#marginMs = options.marginMs
    this.#renewLater()
  }

  /** @returns undefined when another relay holds it. */
  static async acquire(log: EventLog, options: LeaseOptions): Promise<Lease | undefined> {
    const asked = now()
    const claim = await claimRelay(log, options.name, options.owner, options.leaseMs)
    return claim && new Lease(log, claim, asked, options)
  }

  /** Aborts when another relay has taken over. */
  get lost(): AbortSignal {
    return this.#lost.signal
  }

  /**
   * Whether an event that is sent now is settled before anybody else can lead. By the monotonic clock, which stands
   * still in a suspended machine, and by the wall clock, which may be set back: whichever says that more time has passed.
   */
  isSure(): boolean {
    if (this.#lost.signal.aborted) return false
    const { monotonic, wall } = now()
    return (
      Math.max(monotonic - this.#asked.monotonic, wall - this.#asked.wall) < this.#leaseMs - this.#marginMs
    )
  }

  /** @throws `ERR_OUTBOX_LEASE_LOST` unless {@link isSure}. */
  assertSure(): void {
    this.#lost.signal.throwIfAborted()
    if (!this.isSure()) throw leaseLost(this.claim.name, 'the lease could not be renewed in time')
  }

  /** Asks the database. @throws `ERR_OUTBOX_LEASE_LOST` when another relay has taken over, and what the database throws. */
  async confirm(): Promise<void> {
    const asked = now()
    await renewRelay(this.#log, this.claim, this.#leaseMs)
    this.#asked = asked
  }

  /** Gives the lease up, so that another relay need not wait for it to lapse. */
  async release(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (!this.#lost.signal.aborted) await releaseRelay(this.#log, this.claim)
    this.#lost.abort(leaseLost(this.claim.name))
  }

  #renewLater(delayMs = this.#leaseMs / 3): void {
    this.#timer = setTimeout(() => void this.#renew(), delayMs)
  }

  async #renew(): Promise<void> {
    let delayMs: number | undefined
    try {
      await this.confirm()
    } catch (error) {
      // Anything else is a database that cannot be reached: the lease is ours until it is not sure any more.
      if (isOutboxError(error) && error.code === 'ERR_OUTBOX_LEASE_LOST') this.#lost.abort(error)
      delayMs = this.#leaseMs / 30
    }
    if (this.#timer !== undefined && !this.#lost.signal.aborted) this.#renewLater(delayMs)
  }
}

export interface LeaseOptions {
  readonly name: string
  /** Who holds it, for people. */
  readonly owner: string
  readonly leaseMs: number
  /** How long before the lease lapses sending ends. */
  readonly marginMs: number
}

interface Instant {
  readonly monotonic: number
  readonly wall: number
}

function now(): Instant {
  return { monotonic: performance.now(), wall: Date.now() }
}
