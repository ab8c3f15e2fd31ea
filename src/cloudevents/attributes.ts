import type { RecordedEvent } from '../events/domain-event.js'

/** A context attribute of CloudEvents and its value in canonical string form. */
export type Attribute = readonly [name: string, value: string]

/**
 * The context attributes of an event, CloudEvents 1.0: `subject` is the aggregate's id, `sequence` its version.
 * `sequence` is padded with zeros, because its extension asks that comparing strings gives the order.
 */
export function attributesOf(event: RecordedEvent): Attribute[] {
  const { metadata } = event
  const attributes: Attribute[] = [
    ['specversion', '1.0'],
    ['id', event.id],
    ['source', event.source],
    ['type', event.type],
    ['subject', event.aggregateId],
    ['time', event.occurredAt.toISOString()],
    ['datacontenttype', 'application/json'],
    ['sequence', String(event.aggregateVersion).padStart(SEQUENCE_DIGITS, '0')],
    ['partitionkey', event.aggregateId],
    ['schemaversion', String(event.schemaVersion)],
  ]
  if (event.dataschema !== undefined) attributes.push(['dataschema', event.dataschema])
  if (metadata.correlationId !== undefined) attributes.push(['correlationid', metadata.correlationId])
  if (metadata.causationId !== undefined) attributes.push(['causationid', metadata.causationId])
  if (metadata.traceparent !== undefined) attributes.push(['traceparent', metadata.traceparent])
  for (const [name, value] of Object.entries(metadata.extensions ?? {}))
    attributes.push([name, String(value)])
  return attributes
}

const SEQUENCE_DIGITS = String(Number.MAX_SAFE_INTEGER).length
