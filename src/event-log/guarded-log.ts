import { OutboxError } from '../errors.js'
import { type Database, databaseFailed, type EventLog } from './database.js'

/**
 * The log with a deadline for every statement, and with an end: after `signal` aborts, nothing is waited for.
 * Drivers can leave a statement without an answer for ever (a lost connection, a pool slot that hangs).
 */
export function guardLog({ db, tables }: EventLog, timeoutMs: number, signal?: AbortSignal): EventLog {
  return { db: guardDatabase(db, timeoutMs, signal), tables }
}

function guardDatabase(db: Database, timeoutMs: number, signal: AbortSignal | undefined): Database {
  return {
    execute: (statement) =>
      new Promise((resolve, reject) => {
        signal?.throwIfAborted()
        const timer = setTimeout(() => fail(timedOut(timeoutMs)), timeoutMs)
        const abort = () => fail(signal?.reason)
        signal?.addEventListener('abort', abort)
        const settle = () => {
          clearTimeout(timer)
          signal?.removeEventListener('abort', abort)
        }
        const fail = (error: unknown) => {
          settle()
          reject(error)
        }
        const run = async () => db.execute(statement)
        run().then(
          (result) => {
            settle()
            resolve(result)
          },
          (error) => fail(databaseFailed(error)),
        )
      }),
  }
}

function timedOut(timeoutMs: number) {
  const message = `no answer from the database within ${timeoutMs} ms`
  return new OutboxError('ERR_OUTBOX_DATABASE_TIMEOUT', message, { timeoutMs })
}
