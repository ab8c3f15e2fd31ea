import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { jsonIssues } from '../../src/events/json.js'

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
      { numRuns: 2000 },
    )
  })
})
