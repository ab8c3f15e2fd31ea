import type { Driver } from './connection.js'
import { type DrizzleDatabase, type DrizzleTransaction, extend } from './drizzle-database.js'
import { isPool, type PoolClient } from './node-postgres-client.js'

/**
 * Drizzle's transactions, on clients that go back into the pool only if the transaction surely ended on them. Drizzle
 * 0.45 forgets a client when BEGIN fails on it, until the pool is empty; and when ROLLBACK gets no answer (node-postgres'
 * `query_timeout`), it gives back a client in mid-transaction, whose statements the next one's COMMIT commits.
 */
export function transactionsOf(database: DrizzleDatabase): Driver['transaction'] {
  const primary = database.$primary ?? database // of replicas
  const { session } = primary
  const pool = session?.client
  if (session === undefined || !isPool(pool)) return (run, ...config) => database.transaction(run, ...config)

  /** Who is calling `transaction`, which takes its client before it first waits. */
  let caller: Loan | undefined
  const connect = async () => {
    const loan = caller
    const client = await pool.connect()
    return loan?.take(client) ?? client
  }
  const lending = extend(primary, {
    session: { value: extend(session, { client: { value: extend(pool, { connect: { value: connect } }) } }) },
  })
  return async (run, ...config) => {
    const loan = new Loan()
    const recording = async (tx: DrizzleTransaction) => {
      try {
        return await run(tx)
      } catch (error) {
        loan.failure = error
        throw error
      }
    }
    try {
      caller = loan
      const running = lending.transaction(recording, ...config)
      caller = undefined
      const result = await running
      loan.giveBack(true)
      return result
    } catch (error) {
      loan.giveBack(error === loan.failure) // another one is that of BEGIN, COMMIT or ROLLBACK
      throw error
    }
  }
}

/** A client that was taken from the pool, and stays taken until we know what became of its transaction. */
class Loan {
  /** What the callback threw. */
  failure: unknown = NONE
  #release: ((close: boolean) => void) | undefined

  take(client: PoolClient): PoolClient {
    const { release } = client
    this.#release = release
    client.release = (error) => {
      this.#release = (close) => release(close || error)
    }
    return client
  }

  giveBack(ended: boolean): void {
    this.#release?.(!ended)
  }
}

const NONE = Symbol('none')
