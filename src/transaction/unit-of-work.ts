import { isOutboxError, OutboxError, transactionEnded, transactionLost } from '../errors.js'
import type { Trace } from '../event-log/commit-outcome.js'
import { type EventLog, isConnectionFailure, isLostConnection, sqlState } from '../event-log/database.js'
import { holdsFence } from '../event-log/fence.js'
import type { BoundStatement } from '../event-log/statement.js'
import type { OutboxTables } from '../event-log/tables.js'
import { checkMetadata, type Metadata } from '../events/metadata.js'
import type { EventRecord } from '../events/record-event.js'
import { ForeignError } from '../foreign-errors.js'
import { type Connection, UNWATCHED } from './drivers/connection.js'
import { type DrizzleTransaction, isDriverError } from './drivers/drizzle-database.js'
import { checkVersions, type Flushed, flushEvents, NOTHING_FLUSHED, versionOf } from './flush.js'
import { type Enlisted, Journal, markStored, type Savepoint } from './journal.js'

/** One transaction's side of the outbox: takes events in, flushes them before COMMIT, settles them after it. */
export class UnitOfWork {
  readonly #tables: OutboxTables
  readonly #journal = new Journal()
  /** The driver's transaction, and above it the savepoints that are open. */
  readonly #handles: DrizzleTransaction[] = []
  #connection: Connection = UNWATCHED
  /** COMMIT is sent when the events are flushed, and not before. */
  #phase: 'open' | 'flushing' | 'committing' | 'in doubt' | 'ended' = 'open'
  /** What the callback threw, or the flush. */
  #failure: { readonly error: unknown; readonly ours: boolean } | undefined
  /** As of the flush: what is recorded after it is not in the log. */
  #enlisted: readonly Enlisted[] = []
  #flushed: Flushed = NOTHING_FLUSHED

  constructor(tables: OutboxTables) {
    this.#tables = tables
  }

  /** Runs the callback of the transaction, then stores its events with the last statement before COMMIT. */
  async run<T>(
    tx: DrizzleTransaction,
    connection: Connection,
    callback: () => Promise<T>,
    common: () => readonly Metadata[],
  ): Promise<T> {
    this.#connection = connection
    this.#handles.push(tx)
    try {
      const result = await callback()
      await this.#flush(common)
      return result
    } catch (error) {
      this.#failure = { error, ours: this.#phase === 'flushing' }
      throw error
    }
  }

  openSavepoint(): Savepoint {
    return this.openJournal().openSavepoint()
  }

  /** Runs the callback of a savepoint. */
  async within<T>(savepoint: DrizzleTransaction, callback: () => Promise<T>): Promise<T> {
    this.#connection.enter?.(savepoint)
    this.#handles.push(savepoint)
    try {
      return await callback()
    } finally {
      this.#handles.pop()
    }
  }

  releaseSavepoint(savepoint: Savepoint): void {
    this.#journal.releaseSavepoint(savepoint)
  }

  rollBackSavepoint(savepoint: Savepoint): void {
    if (this.#phase === 'open') this.#journal.rollBackSavepoint(savepoint)
  }

  get innermost(): DrizzleTransaction {
    return this.#handles.at(-1) as DrizzleTransaction
  }

  /** Events may be added until the flush. @throws `ERR_OUTBOX_TRANSACTION_LOST`, `ERR_OUTBOX_TRANSACTION_ENDED` */
  assertOpen(): void {
    if (this.#connection.lost) throw transactionLost()
    if (this.#phase !== 'open') throw transactionEnded()
  }

  /** Statements may be sent until the end, COMMIT and ROLLBACK among them. @throws `ERR_OUTBOX_TRANSACTION_ENDED` */
  assertUsable(): void {
    if (this.#phase === 'ended' || this.#phase === 'in doubt') throw transactionEnded()
  }

  /** @throws `ERR_OUTBOX_TRANSACTION_LOST`, `ERR_OUTBOX_TRANSACTION_ENDED` */
  openJournal(): Journal {
    this.assertOpen()
    return this.#journal
  }

  /** The log, through the innermost handle: a failure in a savepoint must not reach the driver as the transaction's. */
  get log(): EventLog {
    const tx = this.innermost
    const connection = this.#connection
    const executeBound = (statement: BoundStatement) => {
      if (connection.executeBound === undefined) return undefined
      tx.session?.logger?.logQuery(statement.text, [...statement.params])
      return connection.executeBound(statement)
    }
    return { db: { execute: (query) => tx.execute(query), executeBound }, tables: this.#tables }
  }

  /** @throws `ERR_OUTBOX_CONCURRENCY`, `ERR_OUTBOX_TRANSACTION_LOST`, `ERR_OUTBOX_SAVEPOINTS_OVERLAP` */
  async #flush(common: () => readonly Metadata[]): Promise<void> {
    this.assertOpen()
    this.#phase = 'flushing'
    if (this.#journal.overlapping)
      throw new OutboxError(
        'ERR_OUTBOX_SAVEPOINTS_OVERLAP',
        'savepoints of one transaction ran side by side; await each tx.transaction(…) before the next one',
        {},
      )
    this.#enlisted = this.#journal.enlisted()
    const [first, ...others] = this.#journal.pendingEvents(this.#enlisted)
    if (first !== undefined) {
      const metadata = [...common().map(checkMetadata), ...this.#journal.metadata()]
      this.#flushed = await flushEvents(this.log, [first, ...others], metadata, this.#connection.fence)
      checkVersions(this.#enlisted, this.#flushed)
    } else if (this.#journal.hooks().length > 0) {
      await this.#assertAlive()
    }
    this.#phase = 'committing'
  }

  /** COMMIT of an aborted transaction is a rollback that some drivers report as success; no hook may run after it. */
  async #assertAlive(): Promise<void> {
    if (!(await holdsFence(this.log, this.#connection.fence))) throw transactionLost()
  }

  /** Whether there are new events in the log, once COMMIT has returned. */
  get storedEvents(): boolean {
    return this.#flushed.versions.size > 0
  }

  get committedEvents(): readonly EventRecord[] {
    return [...this.#flushed.versions.keys()]
  }

  /** COMMIT has returned: tells the aggregates, then runs the hooks. Whatever they throw, the transaction stands. */
  async committed(onError: (error: unknown) => void): Promise<void> {
    markStored(this.committedEvents)
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

  /**
   * The transaction has failed with this error of the driver. When it may have been committed, it is in doubt: its events
   * can be added to no other transaction until `committed` or `end` is called.
   *
   * @returns what its caller should hear.
   */
  failed(error: unknown): unknown {
    this.#connection.leave?.()
    const unheard = this.#connection.lost || !isRefusal(error)
    if (this.#phase === 'committing' && this.storedEvents && unheard) {
      this.#phase = 'in doubt'
      return commitUnknown(this.trace, new ForeignError(error))
    }
    const committing = this.#phase === 'committing'
    this.end()
    if (committing) return error
    // What the callback threw, if it has ended: the driver's error is sometimes that of the ROLLBACK after it.
    const { error: cause, ours } = this.#failure ?? { error, ours: true }
    const lost = this.#failure === undefined ? isLostConnection(error) : this.#connection.lost
    return lost && (ours || isDriverError(cause)) && !isRefusal(cause)
      ? transactionLost(new ForeignError(cause))
      : cause
  }

  /** COMMIT was sent, and nobody knows what became of it. */
  get inDoubt(): boolean {
    return this.#phase === 'in doubt'
  }

  /** What to look for in the log, once there are events in it. */
  get trace(): Trace {
    const { versions, transactionId = '' } = this.#flushed
    const [[event, aggregateVersion]] = [...versions] as [[EventRecord, number]]
    const { id: eventId, aggregateType, aggregateId } = event
    return { transactionId, eventId, aggregateType, aggregateId, aggregateVersion }
  }

  /** However the transaction ended: its handles are dead and its aggregates free. */
  end(): void {
    this.#connection.leave?.()
    this.#phase = 'ended'
    this.#journal.release()
  }
}

/** The server, or we, said no. Anything else is a connection that broke, or a driver that gave up. */
function isRefusal(error: unknown): boolean {
  return isOutboxError(error) || (sqlState(error) !== undefined && !isConnectionFailure(error))
}

function commitUnknown({ transactionId, eventId }: Trace, cause: Error) {
  return new OutboxError(
    'ERR_OUTBOX_COMMIT_UNKNOWN',
    'the connection was lost while COMMIT ran, so the transaction may or may not have been committed; await resolveCommit(error) to find out',
    { transactionId, eventId },
    { cause },
  )
}
