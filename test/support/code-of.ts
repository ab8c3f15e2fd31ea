import { isOutboxError, type OutboxErrorCode } from 'drizzle-outbox'

/** The code of the OutboxError that `run` throws; undefined when it throws none. */
export function codeOf(run: () => unknown): OutboxErrorCode | undefined {
  try {
    run()
  } catch (error) {
    if (isOutboxError(error)) return error.code
    throw error
  }
  return undefined
}
