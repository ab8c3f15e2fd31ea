import { setTimeout as sleep } from 'node:timers/promises'
import { invalidOption, isOutboxError } from '../errors.js'
import { readOutcome, type Trace } from '../event-log/commit-outcome.js'
import { type EventLog, isConnectionFailure, sqlState } from '../event-log/database.js'
import { guardLog } from '../event-log/guarded-log.js'

/** A transaction that nobody knows the end of. */
interface InDoubt {
  readonly log: EventLog
  readonly trace: Trace
  /** Called once. */
  settle(committed: boolean): Promise<void>
  outcome?: 'committed' | 'rolled-back'
}

/** By the error that its caller was given. */
const inDoubt = new WeakMap<object, InDoubt>()

export function settleLater(error: object, transaction: InDoubt): void {
  inDoubt.set(error, transaction)
}

export interface ResolveCommitOptions {
  /** How long to go on asking. Milliseconds. @default 30000 */
  readonly timeoutMs?: number
  /** Ends the wait; the transaction stays unresolved. */
  readonly signal?: AbortSignal
}

/**
 * Finds out how a transaction ended whose connection was lost while COMMIT ran, and settles it: when it was committed,
 * its aggregates are told and its `afterCommit` functions run, as they would have been; when it was rolled back, its
 * events are pending again. Until then they can go into no other transaction.
 *
 * Waits for a server that is not back yet, still at it, or a standby. Call it soon: it looks for an event in the log,
 * through the database that the transaction was on, whose role must be allowed to read it.
 *
 * @param error What `transaction` threw, in this process.
 * @example
 * ```ts
 * if (isOutboxError(error) && error.code === 'ERR_OUTBOX_COMMIT_UNKNOWN') {
 *   if ((await resolveCommit(error)) === 'rolled-back') await placeOrder(id)
 * }
 * ```
 * @throws the same error when nobody knew in time, `ERR_OUTBOX_DATABASE_FAILED` or `ERR_OUTBOX_DATABASE_TIMEOUT` when
 * nobody answered, the signal's reason: ask again. `ERR_OUTBOX_DATABASE_UNFIT` where row-level security hides the answer.
 * `ERR_OUTBOX_OPTION_INVALID` for any other error.
 */
export async function resolveCommit(
  error: unknown,
  { timeoutMs = 30_000, signal }: ResolveCommitOptions = {},
): Promise<'committed' | 'rolled-back'> {
  const transaction = inDoubt.get(Object(error))
  if (transaction === undefined)
    throw invalidOption('error', 'must be an ERR_OUTBOX_COMMIT_UNKNOWN of this process')
  if (!(timeoutMs >= 1)) throw invalidOption('timeoutMs', 'must be a number of milliseconds, from 1')

  const { log, trace } = transaction
  const guarded = guardLog(log, Math.min(timeoutMs, STATEMENT_TIMEOUT_MS), signal)
  const deadline = performance.now() + timeoutMs
  while (transaction.outcome === undefined) {
    const answer = await readOutcome(guarded, trace).catch((failure: Error) => failure)
    signal?.throwIfAborted()
    if (typeof answer === 'boolean') {
      transaction.outcome ??= answer ? 'committed' : 'rolled-back'
      await transaction.settle(answer)
    } else {
      if (answer !== undefined && !mayPass(answer)) throw answer
      if (performance.now() > deadline) throw answer ?? error
      await sleep(PAUSE_MS)
    }
  }
  return transaction.outcome
}

/** One connection of the pool may hang; others need not. */
const STATEMENT_TIMEOUT_MS = 5000
const PAUSE_MS = 100

/** A database that is away says nothing, or that it is starting or going. */
function mayPass(error: Error): boolean {
  const answered = isOutboxError(error) && error.code === 'ERR_OUTBOX_DATABASE_UNFIT'
  return !answered && (sqlState(error) === undefined || isConnectionFailure(error))
}
