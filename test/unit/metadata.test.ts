import { defineEvents, type Metadata } from 'drizzle-outbox/events'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { cloudEventAttributes } from '../../src/cloudevents/attributes.js'
import { checkMetadata, mergeMetadata } from '../../src/events/metadata.js'
import { codeOf } from '../support/code-of.js'
import { runs } from '../support/runs.js'

const INVALID = 'ERR_OUTBOX_METADATA_INVALID'
const events = defineEvents('order', { placed: z.object({}) })
const record = (metadata: unknown) => events.placed('1', {}, metadata as Metadata)
const withExtension = (name: string, value: unknown) => ({ extensions: { [name]: value } })

/** Context attributes of CloudEvents 1.0.2, `data`, which it forbids as a name, and what its SDK cannot read. */
const specified = [
  ...['schemaurl', 'validate'],
  ...['id', 'source', 'specversion', 'type', 'datacontenttype', 'dataschema', 'subject', 'time', 'data'],
]

/** Every attribute that we write by ourselves, from an event that has them all. */
const everyAttribute = cloudEventAttributes({
  id: '0',
  type: 'order.placed',
  schemaVersion: 1,
  aggregateType: 'order',
  aggregateId: '1',
  aggregateVersion: 1,
  position: 1,
  source: '/shop',
  occurredAt: new Date(0),
  data: '{}',
  dataschema: 'urn:schema',
  metadata: { correlationId: 'a', causationId: 'b', traceparent: 'c', tracestate: 'd' },
})
const written = Object.keys(everyAttribute)

describe('extension names', () => {
  it.each([...new Set([...specified, ...written])])('may not be %s, which is taken', (name) => {
    expect(codeOf(() => record(withExtension(name, 'x')))).toBe(INVALID)
  })

  it('are 1 to 20 lower-case letters and digits', () => {
    const anything = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 25 }),
      fc.stringMatching(/^[a-z0-9_A]{0,23}$/),
    )
    const taken = new Set([...specified, ...written])
    fc.assert(
      fc.property(anything, (name) => {
        const allowed = [...name].every((c) => (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))
        const fits = name.length >= 1 && name.length <= 20
        const refused = codeOf(() => record(withExtension(name, 'x')))
        expect(refused).toBe(allowed && fits && !taken.has(name) ? undefined : INVALID)
      }),
      runs(500),
    )
  })

  it('are told by the error', () => {
    expect(() => record(withExtension('tenant_id', 'x'))).toThrow(
      expect.objectContaining({ code: INVALID, details: { name: 'tenant_id' } }),
    )
  })
})

describe('extension values', () => {
  it.each(['x', '\u2028', '😀', 0, -1, 2 ** 31 - 1, -(2 ** 31), true, false])('may be %j', (value) => {
    expect(record(withExtension('tenant', value)).metadata).toEqual({ extensions: { tenant: value } })
  })

  it.each([
    ...['', 'a\0', '\ud800', 0.5, 2 ** 31, -(2 ** 31) - 1, Number.NaN, Number.POSITIVE_INFINITY, 1n],
    ...[null, undefined, new Date(), { a: 1 }, ['x'], Symbol('s'), () => 'x'],
  ])('may not be %s', (value) => {
    expect(codeOf(() => record(withExtension('tenant', value)))).toBe(INVALID)
  })
})

describe('metadata', () => {
  it.each<[string, unknown]>([
    ['a field that is not known', { tenant: 'acme' }],
    ['a field by the name of its attribute', { correlationid: 'x' }],
    ['a field that the library stores beside it', { dataschema: '/schema' }],
    ['an empty text', { causationId: '' }],
    ['a number', { correlationId: 7 }],
    ['half a surrogate pair', { tracestate: '\udc00' }],
    ['a traceparent that is none', { traceparent: 'of the request' }],
    ['more than 8192 bytes', { correlationId: 'x'.repeat(8180) }],
    ['more than 8192 bytes of UTF-8', { extensions: { tenant: 'ü'.repeat(4094) } }],
    ['more than 8192 bytes of many', { correlationId: 'x'.repeat(8000), extensions: { a: 'x'.repeat(179) } }],
    ['null', null],
    ['a text', 'correlation'],
    ['a promise', Promise.resolve({ correlationId: 'x' })],
    ['a list of extensions', { extensions: ['x'] }],
    ['a text as extensions', { extensions: 'abc' }],
    ['a map of extensions', { extensions: new Map([['tenant', 'acme']]) }],
  ])('may not be %s', (_, metadata) => {
    expect(codeOf(() => record(metadata))).toBe(INVALID)
  })

  it('may have 8192 bytes', () => {
    const metadata = { correlationId: 'x'.repeat(8000), extensions: { a: 'x'.repeat(178) } }
    expect(record(metadata).metadata).toEqual(metadata)
    expect(record({ extensions: { tenant: 'ü'.repeat(4093) } }).metadata.extensions?.tenant).toHaveLength(
      4093,
    )
  })

  it('cannot be changed once it was recorded', () => {
    const given = { correlationId: 'before', extensions: { tenant: 'before' } }
    const { metadata } = record(given)
    given.correlationId = 'after'
    given.extensions.tenant = 'after'
    expect(metadata).toEqual({ correlationId: 'before', extensions: { tenant: 'before' } })
    expect(Object.isFrozen(metadata)).toBe(true)
    expect(Object.isFrozen(metadata.extensions)).toBe(true)
  })
})

describe('a traceparent', () => {
  const traceId = '4bf92f3577b34da6a3ce929d0e0e4736'
  const parentId = '00f067aa0ba902b7'

  it.each([
    `00-${traceId}-${parentId}-01`,
    `cc-${traceId}-${parentId}-ff`,
    `01-${traceId}-${parentId}-00-more`,
  ])('may be %s', (traceparent) => {
    expect(record({ traceparent }).metadata).toEqual({ traceparent })
  })

  it.each([
    ...[
      '',
      '00',
      traceId,
      `00-${traceId}-${parentId}`,
      `00-${traceId}-${parentId}-1`,
      `${traceId}-${parentId}-01`,
    ],
    ...[
      `00-${traceId}-${parentId}-01-more`,
      `00-${traceId}-${parentId}-01\n`,
      ` 00-${traceId}-${parentId}-01`,
    ],
    ...[
      `00-${'0'.repeat(32)}-${parentId}-01`,
      `00-${traceId}-${'0'.repeat(16)}-01`,
      `01-${traceId}-${parentId}-01x`,
    ],
    ...[
      `ff-${traceId}-${parentId}-01`,
      `00-${traceId.toUpperCase()}-${parentId}-01`,
      `00-${parentId}-${traceId}-01`,
    ],
  ])('may not be %j', (traceparent) => {
    expect(codeOf(() => record({ traceparent }))).toBe(INVALID)
  })
})

describe('mergeMetadata', () => {
  const text = fc.string({ minLength: 1 })
  const layer: fc.Arbitrary<Metadata> = fc
    .record(
      {
        correlationId: fc.option(text, { nil: undefined }),
        causationId: text,
        extensions: fc.dictionary(fc.constantFrom('a', 'b', 'c'), text),
      },
      { requiredKeys: [] },
    )
    .map((metadata) => checkMetadata(metadata as Metadata))

  it('takes each field, and each extension, of the last layer that has it', () => {
    fc.assert(
      fc.property(fc.array(layer, { maxLength: 4 }), (layers) => {
        const merged = mergeMetadata(...layers)
        for (const field of ['correlationId', 'causationId'] as const) {
          const last = layers.findLast((metadata) => metadata[field] !== undefined)
          expect(merged[field]).toBe(last?.[field])
        }
        for (const name of ['a', 'b', 'c'])
          expect(merged.extensions?.[name]).toBe(
            layers.findLast((metadata) => metadata.extensions?.[name] !== undefined)?.extensions?.[name],
          )
      }),
      runs(),
    )
  })

  it('keeps a tracestate with the traceparent that it belongs to', () => {
    const active = { traceparent: 'of the span', tracestate: 'of the span' }
    expect(mergeMetadata(active, { traceparent: 'given' })).toEqual({ traceparent: 'given' })
    expect(mergeMetadata(active, { correlationId: 'x' })).toEqual({ ...active, correlationId: 'x' })
  })
})
