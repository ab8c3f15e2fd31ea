import { invalidOption } from '../errors.js'
import type { Database } from '../event-log/database.js'
import { isStorable } from '../events/json.js'
import { CommitSignal } from './commit-signal.js'
import { checkDrizzleDatabase, needsFence, surviveLostConnections } from './driver.js'
import type { Outbox, OutboxDb, OutboxOptions, RawDb } from './outbox-db.js'
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
 * `ERR_OUTBOX_CONCURRENCY`, `ERR_OUTBOX_TRANSACTION_LOST`, `ERR_OUTBOX_SAVEPOINTS_OVERLAP`, `ERR_OUTBOX_TABLES_MISSING`;
 * the transaction is rolled back, and events of aggregates are still pending, so that a retry stores them once. When the
 * connection is lost while COMMIT runs, nobody knows how it ended: load the aggregate again before a retry.
 */
export function withOutbox<DB extends RawDb>(db: DB, options: OutboxOptions): OutboxDb<DB> {
  const database = checkDrizzleDatabase(db)
  if (typeof options !== 'object') throw invalidOption('options', 'withOutbox needs at least { source }')
  const { source, metadata = () => ({}), onAfterCommitError = warn } = options
  if (typeof source !== 'string' || source === '' || !isStorable(source))
    throw invalidOption('source', 'must be a URI reference, such as "/shop"')

  const fenced = needsFence(database)
  surviveLostConnections(database)
  const outbox: Outbox = { source, database, commits: new CommitSignal() }

  const transaction = async (run: Run, ...config: readonly unknown[]): Promise<unknown> => {
    const work = new UnitOfWork({ fenced })
    let result: unknown
    try {
      result = await database.transaction(
        (tx: Transaction) =>
          work.within(tx, async () => {
            const value = await run(deriveTransaction(tx, work))
            await work.flush(metadata)
            return value
          }),
        ...config,
      )
    } catch (error) {
      work.end()
      throw error
    }
    if (work.storedEvents) outbox.commits.notify()
    await work.committed((error) => report(error, onAfterCommitError))
    return result
  }
  return extend<object>(database, { transaction, '~outbox': outbox }) as OutboxDb<DB>
}

/** A driver's transaction as it is at run time. */
type Transaction = Database & RawDb
type Run = (tx: Transaction) => Promise<unknown>

/** The driver's transaction with `outbox`, and with savepoints that the unit of work knows of. */
function deriveTransaction(tx: Transaction, work: UnitOfWork): Transaction {
  const transaction = async (run: Run, ...config: readonly unknown[]): Promise<unknown> => {
    const savepoint = await work.openSavepoint()
    try {
      const result = await tx.transaction(
        (inner: Transaction) => work.within(inner, () => run(deriveTransaction(inner, work))),
        ...config,
      )
      work.releaseSavepoint(savepoint)
      return result
    } catch (error) {
      work.rollBackSavepoint(savepoint)
      throw error
    }
  }
  return extend(tx, { transaction, outbox: work.outbox })
}

// By inheritance, not a proxy: `instanceof`, Drizzle's `is`, `$client` and protected members all work, at no cost.
function extend<T extends object>(base: T, own: Readonly<Record<string, unknown>>): T {
  const extended = Object.create(base)
  for (const [key, value] of Object.entries(own)) Object.defineProperty(extended, key, { value })
  return extended
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
  process.emitWarning(error instanceof Error ? error : String(error), { type: 'OutboxAfterCommitError' })
}
