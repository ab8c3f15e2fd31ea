import { isOutboxError, OutboxError } from '../errors.js'
import type { EventLog } from '../event-log/database.js'
import { guardLog } from '../event-log/guarded-log.js'
import { Backoff } from './backoff.js'
import { Drains } from './drains.js'
import { HeldAggregates } from './held-aggregates.js'
import type { RelayEvents } from './relay-events.js'
import type { ResolvedRelayOptions } from './relay-options.js'
import type { RelayState } from './relay-status.js'
import { sleep } from './sleep.js'
import { WakeSignal } from './wake-signal.js'

/** One run of a relay, from start to stop: what its parts share. */
export class RelayContext {
  readonly options: ResolvedRelayOptions
  readonly events: RelayEvents
  readonly log: EventLog
  /** For the lease, which is given up even when everything else is given up on. */
  readonly leaseLog: EventLog
  readonly wake = new WakeSignal()
  /** Woken when the publisher's destination can be reached again. */
  readonly available = new WakeSignal()
  readonly drains = new Drains()
  readonly held = new HeldAggregates()
  readonly #stopping = new AbortController()
  readonly #aborting = new AbortController()
  readonly #backoff: Backoff
  readonly #onState: (state: RelayState, error?: Error) => void
  #pausedAt: number | undefined
  /** When the loop will be heard of again, if all goes well. */
  #dueAt = performance.now()

  constructor(
    options: ResolvedRelayOptions,
    events: RelayEvents,
    onState: (state: RelayState, error?: Error) => void,
  ) {
    this.options = options
    this.events = events
    this.#onState = onState
    this.#backoff = new Backoff(options.minBackoffMs, options.maxBackoffMs)
    const { log } = options.db['~drizzle-outbox']
    this.log = guardLog(log, options.statementTimeoutMs, this.aborting)
    this.leaseLog = guardLog(log, Math.min(options.statementTimeoutMs, options.leaseMs / 3))
  }

  /** Aborts when the relay should come to an end: finish what is in flight, begin nothing. */
  get stopping(): AbortSignal {
    return this.#stopping.signal
  }

  /** Aborts when it was given long enough: wait for nothing. */
  get aborting(): AbortSignal {
    return this.#aborting.signal
  }

  stop(): void {
    this.#stopping.abort(this.#stopped())
    this.drains.reject(this.#stopped())
  }

  abort(): void {
    this.stop()
    this.#aborting.abort(this.#stopped())
  }

  /** Resolves when everything committed so far is published. @throws the signal's reason, `ERR_OUTBOX_RELAY_STOPPED` */
  async drained(signal: AbortSignal | undefined): Promise<void> {
    this.stopping.throwIfAborted()
    this.wake.wake()
    return this.drains.wait(signal)
  }

  /** How long broker or database have not worked. Undefined: they do. Milliseconds. */
  get pausedMs(): number | undefined {
    return this.#pausedAt === undefined ? undefined : performance.now() - this.#pausedAt
  }

  /** How late the loop is. Milliseconds. */
  get overdueMs(): number {
    return Math.max(0, performance.now() - this.#dueAt)
  }

  enter(state: RelayState): void {
    this.#dueAt = performance.now() + (state === 'idle' ? this.options.maxPollMs : 0)
    if (!this.stopping.aborted) this.#onState(state)
  }

  /**
   * Waits after a failure, longer with each one, until `ended` aborts, or for a broker until it is available again.
   *
   * @throws `ERR_OUTBOX_RELAY_STOPPED`
   */
  async pause(by: 'broker' | 'database', error: Error, ended = this.stopping): Promise<void> {
    this.stopping.throwIfAborted()
    this.#pausedAt ??= performance.now()
    const retryInMs = this.#backoff.fail()
    this.#dueAt = performance.now() + retryInMs
    const lost = isOutboxError(error) && error.code === 'ERR_OUTBOX_DESTINATION_LOST'
    this.#onState(lost ? 'destinationLost' : 'paused', error)
    this.events.emit({ type: 'paused', by, error, attempt: this.#backoff.failures, retryInMs })
    const over = AbortSignal.any([this.stopping, ended])
    if (by === 'database') await sleep(retryInMs, over)
    else if (await this.available.wait(retryInMs, over)) this.#backoff.hurry()
    this.stopping.throwIfAborted()
  }

  /** Broker and database have just worked. */
  resume(): void {
    this.#backoff.succeed()
    if (this.#pausedAt === undefined) return
    this.events.emit({ type: 'resumed', pausedMs: performance.now() - this.#pausedAt })
    this.#pausedAt = undefined
  }

  #stopped() {
    return relayStopped(this.options.name)
  }
}

export function relayStopped(relay: string) {
  return new OutboxError('ERR_OUTBOX_RELAY_STOPPED', `relay ${relay} was stopped`, { relay })
}
