import type { BoundStatement } from '../../event-log/statement.js'
import type { DrizzleTransaction } from './drizzle-database.js'
import type { Listen } from './listen.js'

/**
 * What Drizzle hides of a driver and the outbox must know: whether a transaction has lost its connection, how to send
 * a prepared statement, and how to listen.
 */
export interface Driver {
  /** The database's own, which gives the connection back however it ends. */
  transaction(
    run: (tx: DrizzleTransaction) => Promise<unknown>,
    ...config: readonly unknown[]
  ): Promise<unknown>
  /** Called as a transaction begins, before anything else is sent in it. */
  watch(tx: DrizzleTransaction): Connection | Promise<Connection>
  /** Undefined where it cannot be done. */
  readonly listen: Listen | undefined
}

/** The connection of one transaction. */
export interface Connection {
  /** The server has rolled the transaction back, or will. False as long as the driver does not let us know. */
  readonly lost: boolean
  /** The mark of the transaction, where the driver may carry on outside of one that was lost. */
  readonly fence: string | undefined
  /** A savepoint has opened. */
  enter?(savepoint: DrizzleTransaction): void
  /** Past Drizzle, whose statements without a query builder cannot be prepared. */
  executeBound?(statement: BoundStatement): PromiseLike<unknown>
  /** The transaction has ended. */
  leave?(): void
}

/** Of a driver that does not let us look. */
export const UNWATCHED: Connection = { lost: false, fence: undefined }
