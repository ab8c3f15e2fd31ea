import { isOutboxError, OutboxError } from '../errors.js'
import { describeThrown } from '../foreign-errors.js'

/** What a publisher threw: one of our errors, or what can be said of another without its message, which may say anything. */
export function publisherThrew(publisher: string, error: unknown): OutboxError {
  return isOutboxError(error) ? error : publisherFailed(publisher, `threw ${describeThrown(error)}`)
}

export function publisherFailed(publisher: string, what: string) {
  return new OutboxError('ERR_OUTBOX_PUBLISHER_FAILED', `publisher ${publisher} ${what}`, { publisher })
}
