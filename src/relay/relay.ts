import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import { isOutboxError, type OutboxError } from '../errors.js'
import { pingDatabase } from '../event-log/database.js'
import { isClusterChange } from '../event-log/moved-log.js'
import { type Claim, wasWithdrawn } from '../event-log/relay-row.js'
import { safeError } from '../foreign-errors.js'
import type { Outbox } from '../transaction/outbox-db.js'
import { Leader } from './leader.js'
import { Lease } from './lease.js'
import { Notifications } from './notifications.js'
import { prepareDatabase } from './prepare-database.js'
import { publisherThrew } from './publisher-failed.js'
import { RelayContext, relayStopped } from './relay-context.js'
import { type RelayEventOf, RelayEvents, type RelayEventType } from './relay-events.js'
import {
  MAX_TIMER_MS,
  type RelayOptions,
  type ResolvedRelayOptions,
  resolveRelayOptions,
} from './relay-options.js'
import type { RelayState, RelayStatus } from './relay-status.js'
import { Retention } from './retention.js'
import { sleep, untilAborted } from './sleep.js'

/** Publishes the log. It never ends the process, installs no signal handlers and logs nothing: listen with `on`. */
export interface Relay extends AsyncDisposable {
  /**
   * Begins to publish, and goes on until `stop`. Resolves once database and destination were found fit; a broker that
   * cannot be reached is no obstacle, the relay waits for it. A second call gives the first one's promise.
   *
   * @throws `ERR_OUTBOX_TABLES_MISSING`, `ERR_OUTBOX_DATABASE_UNFIT`, `ERR_OUTBOX_DATABASE_FAILED`,
   * `ERR_OUTBOX_DATABASE_TIMEOUT`, and what the publisher finds unfit, such as `ERR_OUTBOX_STREAM_UNFIT`.
   */
  start(): Promise<void>
  /**
   * Reads no more, waits for what is in flight, stores the checkpoint and gives up the lease. Does not reject.
   *
   * @param options `timeoutMs`: how long to wait before what is in flight is given up; it is published again by
   * whoever comes next, under the same ids. Milliseconds. Default 10000.
   */
  stop(options?: { readonly timeoutMs?: number }): Promise<void>
  /**
   * Resolves when this relay has found everything published that was committed before the call; while another relay of
   * its name leads, it waits. A relay that is not started is started for it and stopped afterwards: for tests, and for
   * cron.
   *
   * @throws the signal's reason, `ERR_OUTBOX_RELAY_STOPPED`, and what `start` throws.
   */
  drain(options?: { readonly signal?: AbortSignal }): Promise<void>
  /** Calls `listener` for every event of a type. @returns a function that ends it. */
  on<T extends RelayEventType>(type: T, listener: (event: RelayEventOf<T>) => void): () => void
  status(): RelayStatus
  /**
   * Asks the database for a sign of life, whoever leads.
   *
   * @throws `ERR_OUTBOX_DATABASE_FAILED`, `ERR_OUTBOX_DATABASE_TIMEOUT`, `ERR_OUTBOX_RELAY_STOPPED` unless it was started.
   */
  pingDatabase(): Promise<void>
  /**
   * Asks the destination, where its publisher can.
   *
   * @throws `ERR_OUTBOX_UNAVAILABLE`, `ERR_OUTBOX_RELAY_STOPPED` unless it was started.
   */
  pingBroker(): Promise<void>
  readonly '~drizzle-outbox': Outbox
}

/**
 * A relay for the log of `db`, to run inside your application or in a process of its own.
 *
 * @example
 * ```ts
 * const relay = createRelay({ db, publisher: jetStreamPublisher({ connection, stream: { name: 'SHOP', create: true } }) })
 * await relay.start()
 * process.once('SIGTERM', () => void relay.stop())
 * ```
 * @throws `ERR_OUTBOX_OPTION_INVALID`
 */
export function createRelay(options: RelayOptions): Relay {
  return new LogRelay(resolveRelayOptions(options))
}

class LogRelay implements Relay {
  readonly #options: ResolvedRelayOptions
  readonly #events = new RelayEvents()
  readonly #owner = `${hostname()}:${process.pid}:${randomUUID().slice(0, 8)}`
  #status: { state: RelayState; since: Date; error?: Error } = { state: 'stopped', since: new Date() }
  #epoch: number | undefined
  /** The last one. */
  #claim: Claim | undefined
  #listening = false
  #published = 0
  /** Somebody called `start`: a drain that ends leaves it running. */
  #wanted = false
  #draining = 0
  #context: RelayContext | undefined
  #starting: Promise<void> | undefined
  #running: Promise<void> | undefined
  #stopped: Promise<void> | undefined

  constructor(options: ResolvedRelayOptions) {
    this.#options = options
    this.#events.on('published', ({ count }) => {
      this.#published += count
    })
    this.#events.on('listening', () => {
      this.#listening = true
    })
    this.#events.on('listenFailed', () => {
      this.#listening = false
    })
  }

  start(): Promise<void> {
    this.#wanted = true
    return this.#begin()
  }

  #begin(): Promise<void> {
    if (this.#stopped !== undefined) return this.#stopped.then(() => this.#begin())
    this.#starting ??= this.#start()
    return this.#starting
  }

  async #start(): Promise<void> {
    const context = new RelayContext(this.#options, this.#events, (state, error) => this.#enter(state, error))
    this.#context = context
    try {
      await prepareDatabase(context)
      await this.#prepare(context)
    } catch (error) {
      await this.#closePublisher()
      this.#starting = undefined
      throw error
    }
    this.#running = this.#run(context)
  }

  /** A first look at the destination, so that a wrong configuration is found by whoever starts the relay. */
  async #prepare({ aborting: signal, options }: RelayContext): Promise<void> {
    try {
      await untilAborted(options.publisher.prepare({ leaseMs: options.leaseMs, signal }), signal)
    } catch (error) {
      if (isOutboxError(error) && error.code === 'ERR_OUTBOX_UNAVAILABLE') return
      throw publisherThrew(options.publisher.name, error)
    }
  }

  async #run(context: RelayContext): Promise<void> {
    const { commits } = this.#options.db['~drizzle-outbox']
    context.enter('standby')
    const forgetCommits = commits.subscribe(() => context.wake.wake())
    const forgetPublisher = this.#options.publisher.onAvailable?.(() => context.available.wake())
    while (!context.stopping.aborted) {
      try {
        await this.#seekLease(context)
      } catch (error) {
        await this.#recover(context, safeError(error))
      }
    }
    forgetCommits()
    forgetPublisher?.()
  }

  /** Leads if nobody else does; otherwise stands by for a while. */
  async #seekLease(context: RelayContext): Promise<void> {
    const { name, leaseMs, publisher } = this.#options
    const marginMs = publisher.publishTimeoutMs
    const lease = await Lease.acquire(context.leaseLog, { name, owner: this.#owner, leaseMs, marginMs })
    if (lease === undefined) {
      context.enter('standby')
      context.resume()
      // Not woken by commits: they are the leader's business.
      return sleep(Math.min(STANDBY_POLL_MS, leaseMs), context.stopping)
    }
    this.#claim = lease.claim
    this.#epoch = Number(lease.claim.epoch)
    this.#events.emit({ type: 'leaseAcquired', epoch: this.#epoch })
    const { listen } = this.#options.db['~drizzle-outbox']
    const notifications = this.#options.listen && listen ? new Notifications(context, listen) : undefined
    const { retentionMs } = this.#options
    const retention = retentionMs === false ? undefined : new Retention(context, retentionMs)
    try {
      await new Leader(context, lease).lead()
    } finally {
      this.#epoch = undefined
      const released = lease.release().catch(() => {}) // it lapses
      await Promise.all([released, notifications?.end(), retention?.end()])
      this.#listening = false
    }
  }

  async #recover(context: RelayContext, error: Error): Promise<void> {
    if (context.stopping.aborted) return
    if (isLeaseLost(error)) {
      // As when a replay is asked for.
      const withdrawn = this.#claim && (await wasWithdrawn(context.leaseLog, this.#claim).catch(() => false))
      if (!withdrawn) this.#events.emit({ type: 'leaseLost', error })
      return
    }
    const failure = isClusterChange(error) ? await failureOf(prepareDatabase(context)) : error
    if (failure) await context.pause('database', failure).catch(() => {}) // stopped meanwhile
  }

  async stop({ timeoutMs = 10_000 }: { readonly timeoutMs?: number } = {}): Promise<void> {
    this.#wanted = false
    if (this.#starting === undefined) return
    this.#stopped ??= this.#stop(timeoutMs)
    return this.#stopped
  }

  async #stop(timeoutMs: number): Promise<void> {
    this.#enter('stopping')
    this.#context?.stop()
    const timer = setTimeout(() => this.#context?.abort(), Math.min(timeoutMs, MAX_TIMER_MS))
    await this.#starting?.catch(() => {})
    await this.#running
    clearTimeout(timer)
    await this.#closePublisher()
    this.#starting = undefined
    this.#stopped = undefined
    this.#enter('stopped')
    this.#events.emit({ type: 'stopped' })
  }

  /** What cannot be closed is gone already. */
  async #closePublisher(): Promise<void> {
    await this.#options.publisher.close().catch(() => {})
  }

  async drain({ signal }: { readonly signal?: AbortSignal } = {}): Promise<void> {
    this.#draining++
    try {
      signal?.throwIfAborted()
      await (signal ? untilAborted(this.#begin(), signal) : this.#begin())
      await this.#context?.drained(signal)
    } finally {
      this.#draining--
      const ownRun = !this.#wanted && this.#draining === 0
      if (ownRun) await this.stop(signal?.aborted ? { timeoutMs: 0 } : {})
    }
  }

  on<T extends RelayEventType>(type: T, listener: (event: RelayEventOf<T>) => void): () => void {
    return this.#events.on(type, listener)
  }

  async pingDatabase(): Promise<void> {
    await pingDatabase(this.#started.log)
  }

  async pingBroker(): Promise<void> {
    await this.#started.options.publisher.ping?.()
  }

  get #started(): RelayContext {
    if (this.#starting === undefined || this.#context === undefined) throw relayStopped(this.#options.name)
    return this.#context
  }

  get '~drizzle-outbox'(): Outbox {
    return this.#options.db['~drizzle-outbox']
  }

  status(): RelayStatus {
    const { name, publisher } = this.#options
    const { pausedMs, overdueMs = 0 } = (this.#starting && this.#context) ?? {}
    return {
      name,
      ...this.#status,
      ...(pausedMs === undefined ? {} : { pausedMs }),
      overdueMs,
      owner: this.#owner,
      ...(this.#epoch === undefined
        ? {}
        : { epoch: this.#epoch, heldAggregates: this.#context?.held.size ?? 0 }),
      listening: this.#listening,
      publisher: { name: publisher.name, ...publisher.status?.() },
      published: this.#published,
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  #enter(state: RelayState, error?: Error): void {
    if (state === this.#status.state && error === undefined) return
    const since = state === this.#status.state ? this.#status.since : new Date()
    this.#status = { state, since, ...(error === undefined ? {} : { error }) }
  }
}

/** How often a standby looks whether the lease is free. */
const STANDBY_POLL_MS = 250

async function failureOf(run: Promise<void>): Promise<Error | undefined> {
  return run.then(() => undefined, safeError)
}

function isLeaseLost(error: Error): error is OutboxError<'ERR_OUTBOX_LEASE_LOST'> {
  return isOutboxError(error) && error.code === 'ERR_OUTBOX_LEASE_LOST'
}
