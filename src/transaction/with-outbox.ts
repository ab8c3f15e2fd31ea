import { invalidOption } from '../errors.js'
import { resolveTables } from '../event-log/tables.js'
import type { Metadata } from '../events/metadata.js'
import { isUriReference } from '../events/uri.js'
import { describeThrown } from '../foreign-errors.js'
import { CommitNotifier } from './commit-notifier.js'
import { CommitSignal } from './commit-signal.js'
import { driverOf } from './drivers/driver-of.js'
import { checkDrizzleDatabase, type DrizzleTransaction, extend } from './drivers/drizzle-database.js'
import type { Outbox, OutboxDb, OutboxOptions, RawDb } from './outbox-db.js'
import { settleLater } from './resolve-commit.js'
import { activeTraceContext } from './trace-context.js'
import { equipTransaction, type Run } from './transaction-handle.js'
import { UnitOfWork } from './unit-of-work.js'

/**
 * The database again, with transactions that store events: `tx` is the driver's own transaction plus `tx.outbox`.
 * What `tx.outbox` is given is in the log if and only if the transaction commits.
 *
 * @example
 * ```ts
 * export const db = withOutbox(drizzle({ client }), { source: '/shop' })
 *
 * await db.transaction(async (tx) => {
 *   const order = Order.place(id, 'ada', 4200)
 *   await tx.insert(orders).values({ id, customer: 'ada', total: 4200 })
 *   tx.outbox.add(order)
 * })
 * ```
 *
 * A node-postgres pool or client also gets `error` listeners that do nothing, because a lost connection would otherwise
 * end the process (Drizzle 0.45 listens to none while a transaction runs). The statement rejects all the same.
 *
 * @throws `ERR_OUTBOX_OPTION_INVALID` at once. From `transaction`, besides what the callback throws:
 * `ERR_OUTBOX_CONCURRENCY`, `ERR_OUTBOX_TRANSACTION_LOST`, `ERR_OUTBOX_SAVEPOINTS_OVERLAP`, `ERR_OUTBOX_TABLES_MISSING`,
 * `ERR_OUTBOX_METADATA_INVALID`; the transaction is rolled back, and events of aggregates are still pending, so that a
 * retry stores them once.
 * `ERR_OUTBOX_COMMIT_UNKNOWN` when the connection is lost while COMMIT runs: see {@link resolveCommit}.
 */
export function withOutbox<DB extends RawDb>(db: DB, options: OutboxOptions): OutboxDb<DB> {
  const database = checkDrizzleDatabase(db)
  if (typeof options !== 'object') throw invalidOption('options', 'withOutbox needs at least { source }')
  const { source, metadata = () => ({}), onAfterCommitError = warn } = options
  if (!isUriReference(source))
    throw invalidOption('source', 'must be a URI reference, such as "/shop"; percent-encode other characters')
  const tables = resolveTables(options.tables)

  const driver = driverOf(database)
  const { session: shared } = database.$primary ?? database
  const commits = new CommitSignal()
  const log = { db: database, tables }
  const outbox: Outbox = { source, log, commits, listen: driver.listen }
  if (options.notify) {
    const notifier = new CommitNotifier(log)
    commits.subscribe(() => notifier.notify())
  }
  const common = (): Metadata[] => [activeTraceContext(), metadata()]

  const settle = async (work: UnitOfWork): Promise<void> => {
    if (work.storedEvents) commits.notify(work.committedEvents)
    await work.committed((error) => report(error, onAfterCommitError))
  }

  const transaction = async (run: Run, ...config: readonly unknown[]): Promise<unknown> => {
    const work = new UnitOfWork(tables)
    let result: unknown
    try {
      result = await driver.transaction(
        async (tx: DrizzleTransaction) => {
          const connection = await driver.watch(tx)
          return work.run(tx, connection, () => run(equipTransaction(tx, work, shared)), common)
        },
        ...config,
      )
    } catch (thrown) {
      const error = work.failed(thrown)
      if (work.inDoubt)
        settleLater(error as Error, {
          log: outbox.log,
          trace: work.trace,
          settle: async (committed) => (committed ? settle(work) : work.end()),
        })
      throw error
    }
    await settle(work)
    return result
  }
  return extend<object>(database, {
    transaction: { value: transaction },
    '~drizzle-outbox': { value: outbox },
  }) as OutboxDb<DB>
}

/** Whatever the application makes of an error, the transaction is committed, and its caller must not hear otherwise. */
function report(error: unknown, listener: (error: unknown) => unknown): void {
  try {
    Promise.resolve(listener(error)).catch(warn)
  } catch (thrown) {
    warn(thrown)
  }
}

function warn(error: unknown): void {
  const message = `after a COMMIT: ${describeThrown(error)}; onAfterCommitError is given the error itself`
  process.emitWarning(message, { type: 'OutboxAfterCommitError' })
}
