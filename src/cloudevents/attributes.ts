import type { RecordedEvent } from '../events/domain-event.js'

/** Takes a context attribute of CloudEvents and its value in canonical string form. */
export type WriteAttribute = (name: string, value: string) => void

/** The context attributes of an event, CloudEvents 1.0. */
export function cloudEventAttributes(event: RecordedEvent): Record<string, string> {
  const attributes: Record<string, string> = {}
  const write: WriteAttribute = (name, value) => {
    attributes[name] = value
  }
  writeTypeAttributes(event, write)
  writeOwnAttributes(event, write)
  return attributes
}

/** Those that an event shares with others of its type. */
export function writeTypeAttributes(event: RecordedEvent, write: WriteAttribute): void {
  write('specversion', '1.0')
  write('source', event.source)
  write('type', event.type)
  write('datacontenttype', 'application/json')
  write('schemaversion', String(event.schemaVersion))
  if (event.dataschema !== undefined) write('dataschema', event.dataschema)
}

/**
 * Those that are its own. `subject` is the aggregate's id, `sequence` its version, padded with zeros, because the
 * extension asks that comparing strings gives the order.
 */
export function writeOwnAttributes(event: RecordedEvent, write: WriteAttribute): void {
  write('id', event.id)
  write('subject', event.aggregateId)
  write('time', event.occurredAt.toISOString())
  write('sequence', String(event.aggregateVersion).padStart(SEQUENCE_DIGITS, '0'))
  write('partitionkey', event.aggregateId)
  if (event.redelivery !== undefined) write('redelivery', String(event.redelivery))
  const { metadata } = event
  if (metadata.correlationId !== undefined) write('correlationid', metadata.correlationId)
  if (metadata.causationId !== undefined) write('causationid', metadata.causationId)
  if (metadata.traceparent !== undefined) write('traceparent', metadata.traceparent)
  if (metadata.tracestate !== undefined) write('tracestate', metadata.tracestate)
  for (const name in metadata.extensions) write(name, String(metadata.extensions[name]))
}

const SEQUENCE_DIGITS = String(Number.MAX_SAFE_INTEGER).length
