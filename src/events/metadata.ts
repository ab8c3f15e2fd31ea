import { OutboxError } from '../errors.js'
import { isStorable } from './json.js'

/** What travels with an event besides its data. Each field becomes a CloudEvents attribute. */
export interface Metadata {
  /** Groups everything that one request or process caused: `correlationid`. */
  readonly correlationId?: string
  /** The id of the message or command that caused the event: `causationid`. */
  readonly causationId?: string
  /** W3C trace context of the code that recorded the event. */
  readonly traceparent?: string
  /**
   * CloudEvents extension attributes of your own. Names are 1 to 20 lower-case letters and digits,
   * as the specification asks (CloudEvents 1.0.2, "Attribute Naming Convention").
   */
  readonly extensions?: Readonly<Record<string, string | number | boolean>>
}

const FIELDS = ['correlationId', 'causationId', 'traceparent'] as const

/** Attribute names that the library writes itself. */
const RESERVED = new Set([
  ...['id', 'source', 'specversion', 'type', 'subject', 'time', 'data', 'datacontenttype', 'dataschema'],
  ...['sequence', 'partitionkey', 'schemaversion', 'correlationid', 'causationid', 'traceparent'],
])

/** A copy that nobody can change. @throws `ERR_OUTBOX_METADATA_INVALID` when a CloudEvent could not carry it. */
export function checkMetadata(metadata: Metadata): Metadata {
  for (const name of Object.keys(metadata))
    if (name !== 'extensions' && !FIELDS.some((field) => field === name))
      throw invalid(name, 'is not a field of metadata; your own attributes go into extensions')
  for (const field of FIELDS) {
    const value = metadata[field]
    if (value !== undefined && (typeof value !== 'string' || value === '' || !isStorable(value)))
      throw invalid(field, 'must be a non-empty string without \\u0000')
  }
  for (const [name, value] of Object.entries(metadata.extensions ?? {})) {
    if (!/^[a-z0-9]{1,20}$/.test(name))
      throw invalid(name, 'an extension name is 1 to 20 lower-case letters and digits')
    if (RESERVED.has(name)) throw invalid(name, 'this attribute is written by the library')
    if (!isExtensionValue(value))
      throw invalid(name, 'an extension is a string, a 32-bit integer or a boolean')
  }
  const { extensions } = metadata
  return Object.freeze({ ...metadata, ...(extensions && { extensions: Object.freeze({ ...extensions }) }) })
}

/** The later one wins, field by field and extension by extension. */
export function mergeMetadata(...layers: readonly Metadata[]): Metadata {
  const extensions = Object.assign({}, ...layers.map((layer) => layer.extensions))
  const merged: Metadata = Object.assign({}, ...layers.map(withoutUndefined))
  return Object.keys(extensions).length > 0 ? { ...merged, extensions } : merged
}

function withoutUndefined(metadata: Metadata): Metadata {
  return Object.fromEntries(Object.entries(metadata).filter(([, value]) => value !== undefined))
}

// Integers are 32-bit and signed in CloudEvents 1.0.2, "Type System".
function isExtensionValue(value: unknown): boolean {
  if (typeof value === 'string') return value !== '' && isStorable(value)
  return typeof value === 'boolean' || (typeof value === 'number' && (value | 0) === value)
}

function invalid(name: string, message: string) {
  return new OutboxError('ERR_OUTBOX_METADATA_INVALID', `metadata ${name}: ${message}`, { name })
}
