/** What the customers were told: which transactions were committed, and which ones failed. Kept outside the database. */
import { isOutboxError } from 'drizzle-outbox'
import { OrderRuleError } from '../../examples/quickstart/order.js'

/** An event that must exist, because its transaction was committed. */
export interface Committed {
  readonly orderId: string
  readonly version: number
  readonly type: string
  /** When the transaction's promise resolved. Milliseconds of the monotonic clock. */
  readonly at: number
}

/** Why a transaction is rolled back on purpose. */
export type Failure = 'rule' | 'statement' | 'concurrency'

export class Ledger {
  readonly committed: Committed[] = []
  readonly rolledBack: Record<Failure, number> = { rule: 0, statement: 0, concurrency: 0 }

  /** A transaction that records one event. Gives the order's new version, and notes it. */
  async commits(orderId: string, type: string, transaction: Promise<number>): Promise<number> {
    const version = await transaction
    this.committed.push({ orderId, version, type, at: performance.now() })
    return version
  }

  /** A transaction that must fail, in this way and no other. */
  async fails(failure: Failure, orderId: string, type: string, transaction: Promise<number>): Promise<void> {
    if (await this.commitsOrFails(failure, orderId, type, transaction))
      throw new Error(`${type} of ${orderId} was committed; it had to fail: ${failure}`)
  }

  /** Either; true: it was committed. Any failure but the expected one ends the demo. */
  async commitsOrFails(
    failure: Failure,
    orderId: string,
    type: string,
    transaction: Promise<number>,
  ): Promise<boolean> {
    try {
      await this.commits(orderId, type, transaction)
      return true
    } catch (error) {
      if (failureOf(error) !== failure) throw error
      this.rolledBack[failure]++
      return false
    }
  }
}

const UNIQUE_VIOLATION = '23505'

function failureOf(error: unknown): Failure | undefined {
  if (error instanceof OrderRuleError) return 'rule'
  if (isOutboxError(error)) return error.code === 'ERR_OUTBOX_CONCURRENCY' ? 'concurrency' : undefined
  // Drizzle wraps what the driver throws.
  const cause = error instanceof Error ? error.cause : undefined
  return cause instanceof Error && 'code' in cause && cause.code === UNIQUE_VIOLATION
    ? 'statement'
    : undefined
}
