import { invalidOption, OutboxError } from '../errors.js'
import type { RecordedEvent } from '../events/domain-event.js'
import { encodeToken } from './percent-encoding.js'

/** `<prefix>.<aggregate type>.<event name>`, where the name is the last part of the type. Made once for each type. */
export function defaultSubject(prefix: string): (event: RecordedEvent) => string {
  const subjects = new Map<string, { readonly aggregateType: string; readonly subject: string }>()
  return (event) => {
    const { aggregateType, type } = event
    const known = subjects.get(type)
    if (known?.aggregateType === aggregateType) return known.subject
    const name = type.slice(type.lastIndexOf('.') + 1)
    const subject = checkSubject(`${prefix}.${encodeToken(aggregateType)}.${encodeToken(name)}`, event)
    if (subjects.size === MAX_TYPES) subjects.clear()
    subjects.set(type, { aggregateType, subject })
    return subject
  }
}

/** Types are few, unless they are made by hand. */
const MAX_TYPES = 1000

/** A subject that one message can be published to: tokens of printable characters, no wildcard, none empty. */
const SUBJECT = /^[^\s.*>\p{Cc}\p{Cs}]+(\.[^\s.*>\p{Cc}\p{Cs}]+)*$/u

/** A server takes lines of 4096 bytes; the subject to reply to and the sizes are in it too. */
const MAX_SUBJECT_BYTES = 3072
/** Leaves room for two names, percent-encoded. */
const MAX_PREFIX_BYTES = 1024

export function checkSubjectPrefix(option: string, prefix: string): string {
  if (Buffer.byteLength(prefix) > MAX_PREFIX_BYTES)
    throw invalidOption(option, `has more than ${MAX_PREFIX_BYTES} bytes`)
  if (!SUBJECT.test(prefix) || prefix.startsWith('$'))
    throw invalidOption(
      option,
      `${JSON.stringify(prefix)} is not a subject; tokens are separated by single dots`,
    )
  return prefix
}

/** Guards what a function of the user made of an event: a subject with a wildcard would be stored as it is. */
export function checkSubject(subject: string, event: RecordedEvent): string {
  if (!SUBJECT.test(subject) || subject.startsWith('$'))
    throw refused(event, 'is not one that can be published to; encode what comes from data with encodeToken')
  if (Buffer.byteLength(subject) > MAX_SUBJECT_BYTES)
    throw refused(event, `has more than ${MAX_SUBJECT_BYTES} bytes`)
  return subject
}

function refused({ id, type }: RecordedEvent, reason: string) {
  return new OutboxError(
    'ERR_OUTBOX_EVENT_REFUSED',
    `event ${id} was refused: the subject of ${type} ${reason}`,
    { eventId: id },
  )
}
