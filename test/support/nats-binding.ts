/** What the specifications say about a message, written down a second time to hold the library against. */
import type { RecordedEvent } from 'drizzle-outbox'

/**
 * A block of headers as NATS has it: the version, one header a line, an empty line. Throws at whatever is not that, such
 * as a line that ends in a bare `\n`.
 */
export function parseHeaderBlock(block: Uint8Array): [name: string, value: string][] {
  const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(block)
  const [version, ...lines] = text.split('\r\n')
  if (version !== 'NATS/1.0') throw new Error(`not a version: ${version}`)
  if (lines.pop() !== '' || lines.pop() !== '') throw new Error('the block does not end with an empty line')
  return lines.map((line) => {
    const [, name, value] = /^([!-9;-~]+): ([!-~\u00a1-\uffff]*)$/.exec(line) ?? []
    if (name === undefined || value === undefined) throw new Error(`not a header: ${JSON.stringify(line)}`)
    return [name, value]
  })
}

/** CloudEvents 1.0.2, NATS binding, section 3.1.3.2: space, `"`, `%` and all but U+0021 to U+007E are UTF-8 in hexadecimal. */
export function percentEncoded(value: string): string {
  let encoded = ''
  for (const byte of new TextEncoder().encode(value)) {
    const plain = byte >= 0x21 && byte <= 0x7e && byte !== 0x22 && byte !== 0x25
    encoded += plain ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
  }
  return encoded
}

/** A text as one token of a subject: all but letters, digits, `-` and `_` are UTF-8 in hexadecimal. */
export function tokenOf(text: string): string {
  const hexadecimal = (character: string) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`
  return encodeURIComponent(text).replace(/[.!~*'()]/g, hexadecimal)
}

/** The context attributes of an event, in their text form. */
export function attributesOf(event: Omit<RecordedEvent, 'position'>): Record<string, string> {
  const { dataschema, metadata, aggregateId } = event
  const { correlationId, causationId, traceparent, tracestate, extensions = {} } = metadata
  const optional = {
    dataschema,
    correlationid: correlationId,
    causationid: causationId,
    traceparent,
    tracestate,
  }
  const attributes: Record<string, string> = {
    specversion: '1.0',
    id: event.id,
    source: event.source,
    type: event.type,
    subject: aggregateId,
    time: event.occurredAt.toISOString(),
    datacontenttype: 'application/json',
    sequence: `${event.aggregateVersion}`.padStart(16, '0'),
    partitionkey: aggregateId,
    schemaversion: `${event.schemaVersion}`,
  }
  for (const [name, value] of Object.entries({ ...optional, ...extensions }))
    if (value !== undefined) attributes[name] = `${value}`
  return attributes
}
