import { type DrizzleTransaction, extend, type Session } from './drivers/drizzle-database.js'
import { outboxOf } from './transaction-outbox.js'
import type { UnitOfWork } from './unit-of-work.js'

export type Run = (tx: DrizzleTransaction) => Promise<unknown>

/**
 * Gives the driver's transaction `outbox`, savepoints that the unit of work knows of, and an end. The transaction itself,
 * which Drizzle has made for this callback: objects that inherit from one of so many would have a shape each, and
 * every call on them would be slow (bench/append.ts).
 *
 * @param shared The database's own session, which some drivers also use in transactions.
 */
export function equipTransaction(
  tx: DrizzleTransaction,
  work: UnitOfWork,
  shared: Session | undefined,
  outbox = outboxOf(work),
): DrizzleTransaction {
  const transaction = async (run: Run, ...config: readonly unknown[]): Promise<unknown> => {
    const savepoint = work.openSavepoint()
    try {
      const result = await openSavepoint(
        work.innermost,
        (inner) => work.within(inner, () => run(equipTransaction(inner, work, shared, outbox))),
        config,
      )
      work.releaseSavepoint(savepoint)
      return result
    } catch (error) {
      work.rollBackSavepoint(savepoint)
      throw error
    }
  }
  endSession(tx, work, shared)
  return Object.assign(tx, { transaction, outbox })
}

/**
 * By Drizzle, on the innermost handle, whichever is asked: Drizzle names savepoints by depth, and a second one of a name
 * would be rolled back in place of the first.
 */
function openSavepoint(
  innermost: DrizzleTransaction,
  run: Run,
  config: readonly unknown[],
): Promise<unknown> {
  const { transaction } = Object.getPrototypeOf(innermost) as DrizzleTransaction
  return transaction.call(innermost, run, config[0])
}

/**
 * Lets the session refuse statements once the transaction has ended. By then a pool has given the connection to somebody
 * else, in whose transaction a late statement would run; a savepoint that nobody awaited would roll back somebody else's.
 */
function endSession(tx: DrizzleTransaction, work: UnitOfWork, shared: Session | undefined): void {
  const { session } = tx
  if (session === undefined || Object.hasOwn(session, 'prepareQuery')) return
  const own = session === shared ? extend(session, {}) : session
  const { prepareQuery } = session
  tx.session = Object.assign(own, {
    prepareQuery: (...args: readonly unknown[]) => {
      work.assertUsable()
      return prepareQuery.apply(own, [...args])
    },
  })
}
