import { invalidOption, OutboxError } from '../errors.js'
import type { RecordedEvent } from '../events/domain-event.js'
import { encodeToken } from './percent-encoding.js'

/** `<prefix>.<aggregate type>.<event name>`, where the name is the last part of the type. */
export function defaultSubject(prefix: string): (event: RecordedEvent) => string {
  return ({ aggregateType, type }) =>
    `${prefix}.${encodeToken(aggregateType)}.${encodeToken(type.slice(type.lastIndexOf('.') + 1))}`
}

/** A subject that one message can be published to: tokens of printable characters, no wildcard, none empty. */
const SUBJECT = /^[^\s.*>\p{Cc}\p{Cs}]+(\.[^\s.*>\p{Cc}\p{Cs}]+)*$/u
const MAX_SUBJECT = 1024

export function checkSubjectPrefix(option: string, prefix: string): string {
  if (!SUBJECT.test(prefix) || prefix.startsWith('$'))
    throw invalidOption(
      option,
      `${JSON.stringify(prefix)} is not a subject; tokens are separated by single dots`,
    )
  return prefix
}

/** Guards what a function of the user made of an event: a subject with a wildcard would be stored as it is. */
export function checkSubject(subject: string, event: RecordedEvent): string {
  if (subject.length <= MAX_SUBJECT && SUBJECT.test(subject) && !subject.startsWith('$')) return subject
  throw new OutboxError(
    'ERR_OUTBOX_EVENT_REFUSED',
    `the subject of ${event.type} is not one that can be published to; encode what comes from data with encodeToken`,
    { eventId: event.id },
  )
}
