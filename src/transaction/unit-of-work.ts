import { randomUUID } from 'node:crypto'
import type { Aggregate } from '../aggregate/aggregate.js'
import { invalidOption, OutboxError } from '../errors.js'
import { readVersion } from '../event-log/append.js'
import type { Database } from '../event-log/database.js'
import { holdsFence, setFence } from '../event-log/fence.js'
import type { DomainEvent } from '../events/domain-event.js'
import { checkMetadata, type Metadata } from '../events/metadata.js'
import { nextOrdinal } from '../events/record-event.js'
import { checkVersions, type Flushed, flushEvents, transactionLost, versionOf } from './flush.js'
import { type Enlisted, Journal, markStored, type Savepoint } from './journal.js'
import type { TransactionOutbox } from './outbox-db.js'

/** One transaction's side of the outbox: takes events in, flushes them before COMMIT, settles them after it. */
export class UnitOfWork {
  readonly outbox: TransactionOutbox = {
    add: (...args: readonly unknown[]) => this.#add(args),
    metadata: (metadata) => this.#open().addMetadata(checkMetadata(metadata)),
    versionOf: async (events, aggregateId) => {
      this.#open()
      return readVersion(this.#tx, events['~outbox'].aggregate, aggregateId)
    },
    afterCommit: (run) => this.#open().addHook(run),
  }

  /** The driver's transaction, and above it the savepoints that are open. */
  readonly #handles: Database[] = []
  readonly #fenced: boolean
  readonly #journal = new Journal()
  #fence: { readonly value: string; readonly ordinal: number; readonly up: Promise<void> } | undefined
  /** As of the flush: what is recorded after it is not in the log. */
  #enlisted: readonly Enlisted[] = []
  #flushed: Flushed = new Map()
  #ended = false

  constructor(options: { readonly fenced: boolean }) {
    this.#fenced = options.fenced
  }

  /** Runs the callback of the transaction, or of a savepoint in it. */
  async within<T>(handle: Database, run: () => Promise<T>): Promise<T> {
    this.#handles.push(handle)
    try {
      return await run()
    } finally {
      this.#handles.pop()
    }
  }

  /** The innermost: what fails in a savepoint must not reach the driver as a failure of the whole transaction. */
  get #tx(): Database {
    return this.#handles.at(-1) as Database
  }

  async openSavepoint(): Promise<Savepoint> {
    await this.#fence?.up // a "set local" overtaken by "savepoint" would go with it
    return this.#journal.openSavepoint()
  }

  releaseSavepoint(savepoint: Savepoint): void {
    this.#journal.releaseSavepoint(savepoint)
  }

  rollBackSavepoint(savepoint: Savepoint): void {
    this.#journal.rollBackSavepoint(savepoint)
    // The fence's "set local" went with the savepoint it was made in.
    if (this.#fence && this.#fence.ordinal > savepoint.ordinal) this.#fence = undefined
  }

  /**
   * Stores the events; must be the last statement before COMMIT.
   *
   * @throws `ERR_OUTBOX_CONCURRENCY`, `ERR_OUTBOX_TRANSACTION_LOST`, `ERR_OUTBOX_SAVEPOINTS_OVERLAP`
   */
  async flush(metadata: () => Metadata): Promise<void> {
    // postgres.js rejects when the connection is lost, and lets the callback run on.
    if (this.#ended) throw transactionLost()
    this.#ended = true
    if (this.#journal.overlapping)
      throw new OutboxError(
        'ERR_OUTBOX_SAVEPOINTS_OVERLAP',
        'savepoints of one transaction ran side by side; await each tx.transaction(…) before the next one',
        {},
      )
    this.#enlisted = this.#journal.enlisted()
    const [first, ...others] = this.#journal.pendingEvents(this.#enlisted)
    if (first === undefined) return this.#assertAlive()
    const common = [checkMetadata(metadata()), ...this.#journal.metadata()]
    this.#flushed = await flushEvents(this.#tx, [first, ...others], common, this.#fence?.value)
    checkVersions(this.#enlisted, this.#flushed)
  }

  /** COMMIT of an aborted transaction is a rollback that some drivers report as success; no hook may run after it. */
  async #assertAlive(): Promise<void> {
    if (this.#journal.hooks().length === 0) return
    if (!(await holdsFence(this.#tx, this.#fence?.value))) throw transactionLost()
  }

  /** Whether there are new events in the log, once COMMIT has returned. */
  get storedEvents(): boolean {
    return this.#flushed.size > 0
  }

  /** COMMIT has returned: tells the aggregates, then runs the hooks. Whatever they throw, the transaction stands. */
  async committed(onError: (error: unknown) => void): Promise<void> {
    markStored([...this.#flushed.keys()])
    const settle = this.#enlisted.map(({ aggregate, events }) => () => {
      const last = events.at(-1)
      if (last !== undefined) aggregate.eventsCommitted(versionOf(last, this.#flushed), events)
    })
    this.end()
    for (const run of [...settle, ...this.#journal.hooks()]) {
      try {
        await run()
      } catch (error) {
        onError(error)
      }
    }
  }

  /** However the transaction ended: its handles are dead and its aggregates free. */
  end(): void {
    this.#ended = true
    this.#journal.releaseAggregates()
  }

  #add(args: readonly unknown[]): void {
    const journal = this.#open()
    if (args.length === 0) return // an empty list of events, spread
    const [first, ...rest] = args
    if (isAggregate(first)) {
      if (rest.some(isAggregate)) throw invalidOption('add', 'takes one aggregate at a time')
      const [options] = rest as [{ readonly expectedVersion?: number | undefined }?]
      journal.addAggregate(first, options?.expectedVersion)
    } else {
      for (const event of [first, ...rest]) {
        if (!isEvent(event))
          throw invalidOption(
            'add',
            'takes an aggregate or events; spread an array, await a promise, pass the recorder that a class holds',
          )
        journal.addEvent(event)
      }
    }
  }

  /** The journal of a transaction that has not ended, with its fence up before anything is entered. */
  #open(): Journal {
    if (this.#ended)
      throw new OutboxError(
        'ERR_OUTBOX_TRANSACTION_ENDED',
        'this transaction has ended; await everything that it does inside its callback',
        {},
      )
    if (this.#fenced && this.#fence === undefined) {
      const value = randomUUID()
      // Not awaited: it is pipelined with the callback's own statements. If it fails, the flush finds no fence.
      const up = setFence(this.#tx, value).catch(() => {})
      this.#fence = { value, ordinal: nextOrdinal(), up }
    }
    return this.#journal
  }
}

function isEvent(value: unknown): value is DomainEvent {
  return typeof value === 'object' && value !== null && 'aggregateId' in value && 'data' in value
}

function isAggregate(value: unknown): value is Aggregate {
  return typeof value === 'object' && value !== null && 'pendingEvents' in value
}
