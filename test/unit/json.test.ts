import { defineEvents, isOutboxError } from 'drizzle-outbox/events'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { jsonIssues } from '../../src/events/json.js'
import { toEventRecord } from '../../src/events/record-event.js'
import { codeOf } from '../support/code-of.js'
import { runs } from '../support/runs.js'

class Money {
  amount = 1
}
const cycle: Record<string, unknown> = {}
cycle.self = { cycle }
let deep: unknown = 1
for (let i = 0; i < 300; i++) deep = [deep]

describe('jsonIssues', () => {
  it.each<[string, unknown, readonly (string | number)[]]>([
    ['nothing at all', undefined, []],
    ['a bigint', { a: [1n] }, ['a', 0]],
    ['NaN', { a: Number.NaN }, ['a']],
    ['infinity', [Number.POSITIVE_INFINITY], [0]],
    ['undefined in an array', { a: [1, undefined] }, ['a', 1]],
    ['a hole', { a: new Array(1) }, ['a', 0]],
    ['NUL', { a: { b: 'x\0' } }, ['a', 'b']],
    ['NUL in a key', { 'x\0': 1 }, []],
    ['half a surrogate pair', ['\udc00'], [0]],
    ['half a surrogate pair in a key', { a: { '\ud800x': 1 } }, ['a']],
    ['a date', { at: new Date() }, ['at']],
    ['a map', { m: new Map() }, ['m']],
    ['an instance', { price: new Money() }, ['price']],
    ['a function', { f() {} }, ['f']],
    ['a symbol', { s: Symbol('s') }, ['s']],
    ['a cycle', cycle, ['self', 'cycle']],
  ])('finds %s', (_, value, path) => {
    expect(jsonIssues(value).map((issue) => issue.path)).toEqual([path])
  })

  it('finds what is nested too deep', () => {
    expect(jsonIssues(deep)).toHaveLength(1)
  })

  it('passes absent properties, shared objects and whole surrogate pairs', () => {
    const shared = { a: 1 }
    expect(
      jsonIssues({ x: undefined, a: shared, b: [shared], c: '😀', d: null, e: Object.create(null) }),
    ).toEqual([])
  })

  it('passes exactly what comes back from JSON as it was', () => {
    const number = fc.double().map((n) => (n === 0 ? 0 : n)) // JSON has one zero
    const leaf = fc.oneof(fc.string({ unit: 'binary' }), number, fc.boolean(), fc.constant(null), fc.bigInt())
    const { tree } = fc.letrec((tie) => ({
      tree: fc.oneof(
        { depthSize: 'small' },
        leaf,
        fc.array(tie('tree')),
        fc.dictionary(fc.string(), tie('tree')),
      ),
    }))
    fc.assert(
      fc.property(tree, (value) => {
        if (jsonIssues(value).length === 0) expect(JSON.parse(JSON.stringify(value))).toEqual(value)
      }),
      runs(500),
    )
  })
})

class Coordinates extends Array {
  toJSON() {
    return 'somewhere'
  }
}

const events = defineEvents('thing', { any: z.unknown(), json: z.json() }, { maxEventBytes: 1000 })

/** What recording throws. */
function refusalOf(run: () => unknown): { code: string; paths: readonly (readonly (string | number)[])[] } {
  try {
    run()
  } catch (error) {
    if (!isOutboxError(error)) throw error
    const paths = 'issues' in error.details ? error.details.issues.map(({ path }) => path) : []
    return { code: error.code, paths }
  }
  throw new Error('nothing was refused')
}

describe('record', () => {
  const poison = fc.constantFrom<unknown>(
    ...[1n, Number.NaN, Number.NEGATIVE_INFINITY, 'a\0', '\ud800', 'x\udc00y', Symbol('s'), () => 1],
    ...[
      new Date(),
      new Map(),
      new Set(),
      new Money(),
      /x/,
      new Error('x'),
      Promise.resolve(),
      new Uint8Array(1),
    ],
    ...[Object(1), Object('x'), new URL('http://x'), new WeakMap()],
  )
  const step = fc.oneof(
    fc.nat({ max: 3 }),
    fc.string().filter((key) => !key.includes('\0')),
  )

  it('refuses what JSON cannot carry wherever it is, and says where', () => {
    fc.assert(
      fc.property(poison, fc.array(step, { maxLength: 20 }), (value, path) => {
        const data = path.reduceRight(
          (inner, key) =>
            typeof key === 'number'
              ? [...Array(key).fill('before'), inner, 'after']
              : Object.fromEntries([['before', null] as const, [key, inner] as const]),
          value,
        )
        expect(refusalOf(() => events.any('1', data))).toEqual({
          code: 'ERR_OUTBOX_EVENT_NOT_JSON',
          paths: [path],
        })
      }),
      runs(),
    )
  })

  it.each<[string, () => unknown]>([
    ['a property whose key is a symbol', () => ({ [Symbol('s')]: 1 })],
    ['a property of an array', () => Object.assign([1], { extra: 1 })],
    ['a hidden toJSON', () => Object.defineProperty({ a: 1 }, 'toJSON', { value: () => 'changed' })],
    [
      'an inherited toJSON',
      () => Object.create(Object.assign(Object.create(null), { toJSON: () => 'changed' })),
    ],
    ['an array with a toJSON', () => Coordinates.of(2)],
    ['an instance of nothing', () => Object.create(Object.create(Object.create(null)))],
    ['an instance that hides its class', () => Object.assign(new Money(), { constructor: null })],
  ])('refuses %s', (_, make) => {
    expect(refusalOf(() => events.any('1', { at: [make()] }))).toEqual({
      code: 'ERR_OUTBOX_EVENT_NOT_JSON',
      paths: [['at', 0]],
    })
  })

  it.each([201, 1500, 50_000])('refuses data of %i levels, whatever the schema makes of it', (levels) => {
    let nested: unknown = 1
    for (let i = 0; i < levels; i++) nested = [nested]
    expect(refusalOf(() => events.any('1', nested)).code).toBe('ERR_OUTBOX_EVENT_NOT_JSON')
    expect(refusalOf(() => events.json('1', nested as z.core.util.JSONType)).code).toMatch(
      /^ERR_OUTBOX_EVENT_(NOT_JSON|INVALID)$/,
    )
  })

  it('takes 200 levels', () => {
    let nested: unknown = 1
    for (let i = 0; i < 200; i++) nested = [nested]
    expect(events.any('1', nested).data).toBe(nested)
  })

  it('counts bytes as they are stored', () => {
    const textOf = (bytes: number) => '"'.repeat(Math.floor((bytes - 2) / 2)) // each is two bytes of JSON
    expect(events.any('1', textOf(1000)).data).toHaveLength(499)
    expect(refusalOf(() => events.any('1', textOf(1002))).code).toBe('ERR_OUTBOX_EVENT_TOO_LARGE')
  })
})

describe('an event that was put together by hand', () => {
  it.each<[string, unknown, string]>([
    ['id', 'not a UUID', 'ERR_OUTBOX_EVENT_INVALID'],
    ['type', 'a\0', 'ERR_OUTBOX_EVENT_INVALID'],
    ['type', '', 'ERR_OUTBOX_EVENT_INVALID'],
    ['schemaVersion', 0, 'ERR_OUTBOX_EVENT_INVALID'],
    ['schemaVersion', 32_768, 'ERR_OUTBOX_EVENT_INVALID'],
    ['aggregateType', undefined, 'ERR_OUTBOX_EVENT_INVALID'],
    ['aggregateType', 'a\0', 'ERR_OUTBOX_EVENT_INVALID'],
    ['occurredAt', new Date(Number.NaN), 'ERR_OUTBOX_EVENT_INVALID'],
    ['occurredAt', new Date('+010000-01-01T00:00:00.000Z'), 'ERR_OUTBOX_EVENT_INVALID'],
    ['occurredAt', new Date('0000-12-31T23:59:59.999Z'), 'ERR_OUTBOX_EVENT_INVALID'],
    ['aggregateId', '', 'ERR_OUTBOX_AGGREGATE_ID_INVALID'],
    ['data', { at: new Date() }, 'ERR_OUTBOX_EVENT_NOT_JSON'],
    ['metadata', { tenant: 'acme' }, 'ERR_OUTBOX_METADATA_INVALID'],
    ['metadata', undefined, 'ERR_OUTBOX_METADATA_INVALID'],
  ])('is refused when the log could not hold its %s %s', (field, value, code) => {
    expect(codeOf(() => toEventRecord({ ...events.any('1', { a: 1 }), [field]: value }))).toBe(code)
  })
})
