import { randomUUID } from 'node:crypto'
import type { Aggregate } from '../aggregate/aggregate.js'
import { invalidOption, OutboxError } from '../errors.js'
import { appendEvents, type Heads, readVersion } from '../event-log/append.js'
import type { Database } from '../event-log/database.js'
import { holdsFence, setFence } from '../event-log/fence.js'
import { aggregateKey, type NewEvent } from '../event-log/new-event.js'
import type { DomainEvent } from '../events/domain-event.js'
import { checkMetadata, type Metadata, mergeMetadata } from '../events/metadata.js'
import { type EventRecord, jsonOf, nextOrdinal, toEventRecord } from '../events/record-event.js'
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
  /** The aggregate version of each event that was flushed. */
  #versions: ReadonlyMap<EventRecord, number> = new Map()
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
    if (first !== undefined) await this.#append([first, ...others], metadata)
    // COMMIT of an aborted transaction is a rollback that some drivers report as success; no hook may run after it.
    else if (this.#journal.hooks().length > 0 && !(await holdsFence(this.#tx, this.#fence?.value)))
      throw transactionLost()
  }

  async #append(events: readonly [EventRecord, ...EventRecord[]], metadata: () => Metadata): Promise<void> {
    const common = [checkMetadata(metadata()), ...this.#journal.metadata()]
    const [first, ...others] = events
    const rows = others.map((event) => toNewEvent(event, common))
    const heads = await appendEvents(this.#tx, [toNewEvent(first, common), ...rows], this.#fence?.value)
    if (heads.size === 0) throw transactionLost()
    this.#versions = versionsOf(events, heads)
    for (const { expectedVersion, events: own } of this.#enlisted) {
      const [first] = own
      if (first !== undefined && expectedVersion !== undefined)
        checkVersion(first, expectedVersion, this.#versionOf(first) - 1)
    }
  }

  #versionOf(event: DomainEvent): number {
    return this.#versions.get(toEventRecord(event)) as number
  }

  /** Whether there are new events in the log, once COMMIT has returned. */
  get storedEvents(): boolean {
    return this.#versions.size > 0
  }

  /** COMMIT has returned: tells the aggregates, then runs the hooks. Whatever they throw, the transaction stands. */
  async committed(onError: (error: unknown) => void): Promise<void> {
    markStored([...this.#versions.keys()])
    const settle = this.#enlisted.map(({ aggregate, events }) => () => {
      const last = events.at(-1)
      if (last !== undefined) aggregate.eventsCommitted(this.#versionOf(last), events)
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

/** As the log numbers them: heads hold the version of each aggregate's last one. */
function versionsOf(events: readonly EventRecord[], heads: Heads): Map<EventRecord, number> {
  const next = new Map(heads)
  const versions = new Map<EventRecord, number>()
  for (const event of events.toReversed()) {
    const key = aggregateKey(event.aggregateType, event.aggregateId)
    const version = next.get(key) ?? 0
    versions.set(event, version)
    next.set(key, version - 1)
  }
  return versions
}

/**
 * An aggregate's first event must follow the version that it was loaded at. Another object for the same aggregate may
 * come before it in the transaction, and is then part of what this one was loaded from.
 */
function checkVersion(event: DomainEvent, expectedVersion: number, actualVersion: number): void {
  if (actualVersion === expectedVersion) return
  const { aggregateType, aggregateId } = event
  throw new OutboxError(
    'ERR_OUTBOX_CONCURRENCY',
    `${aggregateType} ${aggregateId} is at version ${actualVersion}, not ${expectedVersion}: load it again and retry`,
    { aggregateType, aggregateId, expectedVersion, actualVersion },
  )
}

function toNewEvent(event: EventRecord, common: readonly Metadata[]): NewEvent {
  const { id, aggregateType, aggregateId, type, schemaVersion, occurredAt, dataschema } = event
  const metadata = { ...mergeMetadata(...common, event.metadata), dataschema }
  return { id, aggregateType, aggregateId, type, schemaVersion, occurredAt, data: jsonOf(event), metadata }
}

function transactionLost() {
  return new OutboxError(
    'ERR_OUTBOX_TRANSACTION_LOST',
    'the connection was lost inside the transaction: the server has rolled it back, and no event was stored',
    {},
  )
}
