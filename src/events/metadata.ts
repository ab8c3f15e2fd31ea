import { OutboxError } from '../errors.js'
import { isPlainObject, isStorable } from './json.js'

/**
 * What travels with an event besides its data. Each field becomes a CloudEvents attribute. An event's own and that of its
 * transaction have at most 8192 bytes of UTF-8 together, names included.
 */
export interface Metadata {
  /** Groups everything that one request or process caused: `correlationid`. */
  readonly correlationId?: string
  /** The id of the message or command that caused the event: `causationid`. */
  readonly causationId?: string
  /**
   * W3C trace context: `traceparent` and `tracestate`. Those of the active OpenTelemetry span as the transaction
   * commits, where the application has `@opentelemetry/api`, unless given. A traceparent that is none is refused, so
   * pass on what came from outside by way of your tracer.
   */
  readonly traceparent?: string
  readonly tracestate?: string
  /**
   * CloudEvents extension attributes of your own. Names are 1 to 20 lower-case letters and digits,
   * as the specification asks (CloudEvents 1.0.2, "Attribute Naming Convention").
   */
  readonly extensions?: Readonly<Record<string, string | number | boolean>>
}

const FIELDS = ['correlationId', 'causationId', 'traceparent', 'tracestate'] as const

/** Attribute names that the library writes itself, and those that the JavaScript SDK of CloudEvents cannot read. */
const RESERVED = new Set([
  ...['id', 'source', 'specversion', 'type', 'subject', 'time', 'data', 'datacontenttype', 'dataschema'],
  ...[
    'sequence',
    'partitionkey',
    'schemaversion',
    'redelivery',
    'correlationid',
    'causationid',
    'traceparent',
    'tracestate',
  ],
  ...['schemaurl', 'validate'],
])

/** A copy that nobody can change. @throws `ERR_OUTBOX_METADATA_INVALID` when a CloudEvent could not carry it. */
export function checkMetadata(metadata: Metadata): Metadata {
  if (!isPlainObject(metadata)) throw invalid('metadata', 'must be an object; await a promise')
  for (const name of Object.keys(metadata))
    if (name !== 'extensions' && !FIELDS.some((field) => field === name))
      throw invalid(name, 'is not a field of metadata; your own attributes go into extensions')
  for (const field of FIELDS) {
    const value = metadata[field]
    if (value !== undefined && (typeof value !== 'string' || value === '' || !isStorable(value)))
      throw invalid(field, 'must be a non-empty string without \\u0000')
  }
  if (metadata.traceparent !== undefined && !TRACEPARENT.test(metadata.traceparent))
    throw invalid('traceparent', 'must be as W3C Trace Context has it: 00-<trace id>-<parent id>-<flags>')
  const extensions = { ...metadata.extensions }
  if (metadata.extensions !== undefined && !isPlainObject(metadata.extensions))
    throw invalid('extensions', 'must be an object of names and values')
  for (const [name, value] of Object.entries(extensions)) {
    if (!/^[a-z0-9]{1,20}$/.test(name))
      throw invalid(name, 'an extension name is 1 to 20 lower-case letters and digits')
    if (RESERVED.has(name)) throw invalid(name, 'this name is taken')
    if (!isExtensionValue(value))
      throw invalid(name, 'an extension is a string, a 32-bit integer or a boolean')
  }
  checkMetadataSize(metadata)
  if (metadata.extensions === undefined) return Object.freeze({ ...metadata })
  return Object.freeze({ ...metadata, extensions: Object.freeze(extensions) })
}

/**
 * JetStream takes 64 KiB of headers. Percent-encoding makes three bytes of one, and other attributes need their share.
 *
 * @throws `ERR_OUTBOX_METADATA_INVALID`
 */
export function checkMetadataSize({ extensions, ...fields }: Metadata): void {
  let bytes = 0
  for (const attributes of [fields, extensions ?? {}])
    for (const [name, value] of Object.entries(attributes))
      bytes += name.length + Buffer.byteLength(String(value ?? ''))
  if (bytes > MAX_BYTES) throw invalid('metadata', `has ${bytes} bytes, the limit is ${MAX_BYTES}`)
}

const MAX_BYTES = 8192

/** The later one wins, field by field and extension by extension. */
export function mergeMetadata(...layers: readonly Metadata[]): Metadata {
  const extensions = Object.assign({}, ...layers.map((layer) => layer.extensions))
  const merged: Metadata & { tracestate?: string } = {}
  for (const layer of layers) {
    // A tracestate belongs to the traceparent that it came with.
    if (layer.traceparent !== undefined) delete merged.tracestate
    Object.assign(merged, withoutUndefined(layer))
  }
  return Object.keys(extensions).length > 0 ? { ...merged, extensions } : merged
}

function withoutUndefined(metadata: Metadata): Metadata {
  return Object.fromEntries(Object.entries(metadata).filter(([, value]) => value !== undefined))
}

/** W3C Trace Context, section 3.2.2: ids that are not zero; only a version above 00 may go on after the flags. */
const TRACEPARENT =
  /^(?!ff|00.{54})[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-[!-~]*)?$/

// Integers are 32-bit and signed in CloudEvents 1.0.2, "Type System".
function isExtensionValue(value: unknown): boolean {
  if (typeof value === 'string') return value !== '' && isStorable(value)
  return typeof value === 'boolean' || (typeof value === 'number' && (value | 0) === value)
}

function invalid(name: string, message: string) {
  return new OutboxError('ERR_OUTBOX_METADATA_INVALID', `metadata ${name}: ${message}`, { name })
}
