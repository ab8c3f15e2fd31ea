/** An event as a stream must hold it. Written out from the specifications, not with the product's own encoder. */
import type { JournalEntry } from './journal.js'

export interface Message {
  readonly subject: string
  readonly headers: Readonly<Record<string, readonly string[]>>
  readonly data: string
}

/**
 * @param version of its aggregate, in the log's words: `12`.
 * @param lastSequence with which the stream must have ended when it was stored, with ordering `stream`.
 */
export function expectedMessage(
  entry: JournalEntry,
  version: string,
  stream: string,
  lastSequence?: number,
): Message {
  const { id, type, aggregateId, occurredAt, correlationId, extensions, data } = entry
  const values = {
    'Nats-Msg-Id': id,
    'Nats-Expected-Stream': stream,
    ...(lastSequence === undefined ? {} : { 'Nats-Expected-Last-Sequence': String(lastSequence) }),
    'ce-specversion': '1.0',
    'ce-id': id,
    'ce-source': '/faults',
    'ce-type': type,
    'ce-subject': percentEncode(aggregateId),
    'ce-time': occurredAt.toISOString(),
    'ce-datacontenttype': 'application/json',
    'ce-sequence': version.padStart(16, '0'),
    'ce-partitionkey': percentEncode(aggregateId),
    'ce-schemaversion': '1',
    ...(correlationId === undefined ? {} : { 'ce-correlationid': percentEncode(correlationId) }),
    ...Object.fromEntries(
      Object.entries(extensions).map(([name, value]) => [`ce-${name}`, percentEncode(value)]),
    ),
  }
  const headers = Object.fromEntries(Object.entries(values).map(([name, value]) => [name, [value]]))
  return { subject: `${stream.toLowerCase()}.${type}`, headers, data }
}

/** For the characters that the loads use: a space, `%` and letters beyond ASCII. */
function percentEncode(text: string): string {
  return encodeURIComponent(text)
}
