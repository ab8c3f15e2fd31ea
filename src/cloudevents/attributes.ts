import type { RecordedEvent } from '../events/domain-event.js'
import { Timestamps } from './timestamp.js'

/**
 * Takes a context attribute of CloudEvents and its value in canonical string form. `plain`: it is letters, digits and
 * punctuation that no binding encodes.
 */
export type WriteAttribute = (name: string, value: string, plain?: boolean) => void

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
  write('time', times.format(event.occurredAt), true)
  write('sequence', padded(event.aggregateVersion), true)
  write('partitionkey', event.aggregateId)
  if (event.redelivery !== undefined) write('redelivery', String(event.redelivery))
  const { metadata } = event
  if (metadata.correlationId !== undefined) write('correlationid', metadata.correlationId)
  if (metadata.causationId !== undefined) write('causationid', metadata.causationId)
  if (metadata.traceparent !== undefined) write('traceparent', metadata.traceparent)
  if (metadata.tracestate !== undefined) write('tracestate', metadata.tracestate)
  for (const name in metadata.extensions) write(name, String(metadata.extensions[name]))
}

const times = new Timestamps()

function padded(version: number): string {
  const digits = String(version)
  return ZEROS.slice(digits.length) + digits
}

const ZEROS = String(Number.MAX_SAFE_INTEGER).replaceAll(/\d/g, '0')
