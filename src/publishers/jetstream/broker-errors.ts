import { OutboxError } from '../../errors.js'

/** Why an event was not stored. The one is the destination's trouble, the other the event's own. */
export type PublishError = OutboxError<'ERR_OUTBOX_UNAVAILABLE'> | OutboxError<'ERR_OUTBOX_EVENT_REFUSED'>

/** JetStream's error codes that concern one message (nats-server, server/errors.json). Everything else is unavailable. */
const REFUSING = new Set([
  10054, // message size exceeds maximum allowed
  10049, // header size exceeds maximum allowed of 64k
])

export function brokerError(eventId: string, brokerCode: number, description: string): PublishError {
  return REFUSING.has(brokerCode)
    ? refused(eventId, description, brokerCode)
    : unavailable(description, { brokerCode })
}

export function refused(eventId: string, reason: string, brokerCode?: number, cause?: unknown) {
  return new OutboxError(
    'ERR_OUTBOX_EVENT_REFUSED',
    `event ${eventId} was refused: ${reason}`,
    { eventId, ...(brokerCode === undefined ? {} : { brokerCode }) },
    { cause },
  )
}

export function unavailable(reason: string, options: { brokerCode?: number; cause?: unknown } = {}) {
  const { brokerCode, cause } = options
  return new OutboxError('ERR_OUTBOX_UNAVAILABLE', reason, brokerCode === undefined ? {} : { brokerCode }, {
    cause,
  })
}
