import {
  NoRespondersError,
  PermissionViolationError,
  RequestError,
  TimeoutError,
} from '@nats-io/transport-node'
import { OutboxError } from '../../errors.js'
import { ForeignError, safeText } from '../../foreign-errors.js'

/** Why an event was not stored: the destination's trouble, the event's own, or that of a relay that is behind. */
export type PublishError =
  | OutboxError<'ERR_OUTBOX_UNAVAILABLE'>
  | OutboxError<'ERR_OUTBOX_EVENT_REFUSED'>
  | OutboxError<'ERR_OUTBOX_FENCED'>

/** JetStream's error codes that concern one message (nats-server, server/errors.json). Everything else is unavailable. */
const REFUSING = new Set([
  10054, // message size exceeds maximum allowed
  10097, // header size exceeds maximum allowed of 64k
])

/** Codes for an expectation about the stream's end that does not hold. */
const FENCING = new Set([
  10071, // wrong last sequence: {seq}
  10164, // wrong last sequence
])

/** What JetStream's own words leave out. */
const HINTS: Readonly<Record<number, string>> = {
  10060: ': another stream has taken its subject',
}

export function brokerError(
  stream: string,
  eventId: string,
  brokerCode: number,
  description: string,
): PublishError {
  if (REFUSING.has(brokerCode)) return refused(eventId, `${description}, says stream ${stream}`, brokerCode)
  if (FENCING.has(brokerCode)) return fenced(stream, description, brokerCode)
  const reason = `${description}${HINTS[brokerCode] ?? ''}`
  return unavailable(`stream ${stream} did not store the event: ${reason}`, { brokerCode })
}

function fenced(stream: string, description: string, brokerCode: number) {
  return new OutboxError(
    'ERR_OUTBOX_FENCED',
    `somebody else has written to stream ${stream}, which ordering "stream" keeps to one relay: ${safeText(description)}`,
    { stream, brokerCode },
  )
}

export function refused(eventId: string, reason: string, brokerCode?: number, cause?: unknown) {
  return new OutboxError(
    'ERR_OUTBOX_EVENT_REFUSED',
    `event ${eventId} was refused: ${safeText(reason)}`,
    { eventId, ...(brokerCode === undefined ? {} : { brokerCode }) },
    cause === undefined ? {} : { cause: new ForeignError(cause) },
  )
}

export function unavailable(reason: string, options: { brokerCode?: number; cause?: unknown } = {}) {
  const { brokerCode, cause } = options
  return new OutboxError(
    'ERR_OUTBOX_UNAVAILABLE',
    safeText(reason),
    brokerCode === undefined ? {} : { brokerCode },
    cause === undefined ? {} : { cause: new ForeignError(cause) },
  )
}

/** What the client says, in words for an operator. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if (error instanceof PermissionViolationError) return denial(error)
  if (error instanceof TimeoutError) return 'no answer in time'
  if (error instanceof NoRespondersError) return 'nobody answers: JetStream is off, or has no leader'
  // The client wraps what it answers a request with, and takes every silence for JetStream that is not enabled.
  const { cause } = error
  const wraps = error instanceof RequestError || cause instanceof RequestError
  return wraps && cause !== undefined ? reasonOf(cause) : error.message
}

export function denial({ operation, subject }: PermissionViolationError): string {
  if (operation === 'publish') return `the user may not publish to ${subject}`
  // Each inbox has a name of its own: what must be allowed is all of them.
  return `the user may not subscribe to ${subject.replace(/\.[^.]+\.\*$/, '.>')}`
}
