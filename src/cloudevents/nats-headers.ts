import type { RecordedEvent } from '../events/domain-event.js'
import { attributesOf } from './attributes.js'
import { encodeHeaderValue } from './percent-encoding.js'

/**
 * A NATS header block: CloudEvents in binary mode (NATS binding 1.0.2, section 3.1), every attribute as `ce-<name>`,
 * after the headers given. Values are percent-encoded, so that nothing in an event can forge a header.
 */
export function natsHeaders(event: RecordedEvent, headers: readonly (readonly [string, string])[]): Buffer {
  let block = 'NATS/1.0\r\n'
  for (const [name, value] of headers) block += `${name}: ${encodeHeaderValue(value)}\r\n`
  for (const [name, value] of attributesOf(event)) block += `ce-${name}: ${encodeHeaderValue(value)}\r\n`
  return Buffer.from(`${block}\r\n`, 'latin1')
}
