import { createRecorder, decodeEvent, defineEvents, event, isOutboxError } from 'drizzle-outbox'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { codeOf } from '../support/code-of.js'

const orderEvents = defineEvents('order', {
  placed: z.object({ customerId: z.string().trim(), total: z.int() }),
  shipped: z.object({ carrier: z.string() }),
})

describe('event creators', () => {
  it('validate the data and keep what the schema puts out', () => {
    const placed = orderEvents.placed('42', { customerId: ' ada ', total: 7 }, { correlationId: 'c' })
    expect(placed).toMatchObject({
      type: 'order.placed',
      schemaVersion: 1,
      aggregateType: 'order',
      aggregateId: '42',
      data: { customerId: 'ada', total: 7 },
      metadata: { correlationId: 'c' },
    })
    expect(placed.id).toMatch(/^[0-9a-f-]{36}$/)
    expect(Object.isFrozen(placed)).toBe(true)
  })

  it('refuse data that does not match, with every issue and its path', () => {
    try {
      orderEvents.placed('42', { customerId: 1, total: 'x' } as never)
      expect.unreachable()
    } catch (error) {
      if (!isOutboxError(error) || error.code !== 'ERR_OUTBOX_EVENT_INVALID') throw error
      expect(error.details.issues.map(({ path }) => path)).toEqual([['customerId'], ['total']])
      expect(error.message).toContain('data.total')
    }
  })

  it('refuse a schema that validates asynchronously', () => {
    const events = defineEvents('a', { b: z.object({ c: z.string() }).refine(async () => true) })
    expect(codeOf(() => events.b('1', { c: 'x' }))).toBe('ERR_OUTBOX_SCHEMA_ASYNC')
  })

  it('refuse a schema that does not accept its own output', () => {
    const schema = z.object({ at: z.string().transform((text) => text.length) })
    const events = defineEvents('a', { b: schema as never }) as unknown as Record<
      'b',
      (...a: unknown[]) => unknown
    >
    expect(codeOf(() => events.b('1', { at: 'x' }))).toBe('ERR_OUTBOX_EVENT_INVALID')
  })

  it('refuse a schema that changes its own output', () => {
    const events = defineEvents('a', { b: z.object({ cents: z.number().transform((euros) => euros * 100) }) })
    expect(codeOf(() => events.b('1', { cents: 5 }))).toBe('ERR_OUTBOX_EVENT_INVALID')
  })

  it.each(['', 'x'.repeat(513), 'a\0b', '\ud800', 7, undefined])('refuse the aggregate id %j', (id) => {
    expect(codeOf(() => orderEvents.shipped(id as string, { carrier: 'dhl' }))).toBe(
      'ERR_OUTBOX_AGGREGATE_ID_INVALID',
    )
    expect(codeOf(() => createRecorder(orderEvents, id as string))).toBe('ERR_OUTBOX_AGGREGATE_ID_INVALID')
  })

  it('refuse data over maxEventBytes, counted in bytes of UTF-8', () => {
    const events = defineEvents('a', { b: z.object({ c: z.string() }) }, { maxEventBytes: 20 })
    expect(codeOf(() => events.b('1', { c: 'x'.repeat(12) }))).toBeUndefined()
    expect(codeOf(() => events.b('1', { c: 'x'.repeat(13) }))).toBe('ERR_OUTBOX_EVENT_TOO_LARGE')
    expect(codeOf(() => events.b('1', { c: 'ä'.repeat(7) }))).toBe('ERR_OUTBOX_EVENT_TOO_LARGE')
  })
})

describe('defineEvents', () => {
  const longNamespace = Array(5).fill('x'.repeat(50)).join('.')

  it('names events by namespace, aggregate and name, unless the type is pinned', () => {
    const events = defineEvents(
      'payment',
      { captured: z.object({}), refunded: event(z.object({}), { type: 'com.acme.payment.reversed' }) },
      { namespace: 'com.acme' },
    )
    expect(events.captured('1', {}).type).toBe('com.acme.payment.captured')
    expect(events.refunded('1', {}).type).toBe('com.acme.payment.reversed')
    expect(events.captured('1', {}).aggregateType).toBe('payment')
  })

  it.each([
    ['an aggregate of two parts', () => defineEvents('a.b', {})],
    ['an empty aggregate', () => defineEvents('', {})],
    ['an event name with a wildcard', () => defineEvents('a', { '*': z.object({}) })],
    ['a namespace with an empty part', () => defineEvents('a', {}, { namespace: 'com..acme' })],
    ['a type with a space', () => defineEvents('a', { b: event(z.object({}), { type: 'a b' }) })],
    ['one type twice', () => defineEvents('a', { b: z.object({}), c: event(z.object({}), { type: 'a.b' }) })],
    ['something that is no schema', () => defineEvents('a', { b: 'string' } as never)],
    ['version 0', () => event(z.object({}), { version: 0 })],
    ['a relative dataschema', () => event(z.object({}), { dataschema: '/schema' })],
    ['a dataschema that is no URI', () => event(z.object({}), { dataschema: 'https://acme.com/my schema' })],
    ['a type that is too long', () => defineEvents('a', { b: z.object({}) }, { namespace: longNamespace })],
    ['no limit', () => defineEvents('a', {}, { maxEventBytes: 0 })],
  ])('refuses %s', (_, define) => {
    expect(codeOf(define)).toBe('ERR_OUTBOX_DEFINITION_INVALID')
  })
})

describe('decodeEvent', () => {
  const payments = defineEvents('payment', {
    captured: event(z.object({ amount: z.int(), currency: z.string() }), {
      version: 2,
      upcast: { 1: (data) => ({ amount: (data as { amount: number }).amount, currency: 'EUR' }) },
    }),
  })

  it('upcasts older data, and leaves newer data as it is', () => {
    const type = 'payment.captured'
    expect(decodeEvent(payments, { type, schemaVersion: 1, data: { amount: 1 } })).toEqual({
      type,
      data: { amount: 1, currency: 'EUR' },
    })
    const data = { amount: 1, currency: 'CHF' }
    expect(decodeEvent(payments, { type, schemaVersion: 2, data }).data).toEqual(data)
    expect(decodeEvent(payments, { type, schemaVersion: 3, data }).data).toEqual(data)
  })

  it('refuses what is not defined, or does not match', () => {
    expect(codeOf(() => decodeEvent(payments, { type: 'order.placed', data: {} }))).toBe(
      'ERR_OUTBOX_EVENT_UNKNOWN',
    )
    expect(
      codeOf(() => decodeEvent(payments, { type: 'payment.captured', schemaVersion: 2, data: {} })),
    ).toBe('ERR_OUTBOX_EVENT_INVALID')
  })

  it('narrows by type', () => {
    const decoded = decodeEvent(orderEvents, { type: 'order.shipped', data: { carrier: 'dhl' } })
    expect(decoded.type === 'order.shipped' && decoded.data.carrier).toBe('dhl')
  })
})

describe('metadata', () => {
  it.each([
    { extensions: { Tenant: 'x' } },
    { extensions: { 'ce-x': 'x' } },
    { extensions: { ['x'.repeat(21)]: 'x' } },
    { extensions: { sequence: 'x' } },
    { extensions: { tenant: 1.5 } },
    { extensions: { tenant: 2 ** 31 } },
    { extensions: { tenant: { a: 1 } } },
    { extensions: { tenant: '' } },
    { correlationId: '' },
    { causationId: 'a\0' },
    { traceparent: 7 },
    { tenant: 'not an extension' },
  ])('%j is refused', (metadata) => {
    expect(codeOf(() => orderEvents.shipped('1', { carrier: 'x' }, metadata as never))).toBe(
      'ERR_OUTBOX_METADATA_INVALID',
    )
  })
})
