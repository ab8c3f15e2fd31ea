import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { quoteIdentifier, resolveTables } from '../../src/event-log/tables.js'
import { codeOf } from '../support/code-of.js'
import { runs } from '../support/runs.js'

const MAX_BYTES = 63
const LONGEST_SUFFIX = 'dead_letters_aggregate'
const MAX_PREFIX_BYTES = MAX_BYTES - LONGEST_SUFFIX.length

/** Text of every kind, most of it around the limit. */
const name = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 80 }),
  fc.string({
    unit: fc.constantFrom('"', "'", '\\', ';', '$1', '$$', '--', '/*', '%s', '\ud800', '\0', ' '),
  }),
  fc.string({ unit: fc.constantFrom('a', 'Z', 'ü', '日', '😀'), minLength: 10, maxLength: 64 }),
)

function fits(text: string, bytes: number): boolean {
  const storable = !text.includes('\0') && Buffer.from(text).toString() === text // no half of a surrogate pair
  return text !== '' && storable && Buffer.byteLength(text) <= bytes
}

/** What PostgreSQL makes of delimited identifiers with dots between them. */
function parseNames(sql: string): string[] {
  expect(sql).toMatch(/^"(?:[^"]|"")+"(?:\."(?:[^"]|"")+")?$/)
  return [...sql.matchAll(/"((?:[^"]|"")+)"/g)].map(([, quoted = '']) => quoted.replaceAll('""', '"'))
}

describe('resolveTables', () => {
  it('takes what PostgreSQL keeps as it is, quotes it, and refuses everything else', () => {
    fc.assert(
      fc.property(name, name, (schema, prefix) => {
        const resolve = () => resolveTables({ schema, prefix })
        if (fits(schema, MAX_BYTES) && fits(prefix, MAX_PREFIX_BYTES)) {
          const { events, aggregates, relays, deadLetters } = resolve().names
          const names = [events, aggregates, relays, deadLetters].map(parseNames)
          const tables = ['events', 'aggregates', 'relays', 'dead_letters']
          expect(names).toEqual(tables.map((table) => [schema, prefix + table]))
        } else expect(codeOf(resolve)).toBe('ERR_OUTBOX_OPTION_INVALID')
      }),
      runs(500),
    )
  })

  it('names a channel that PostgreSQL keeps as it is, the same for the same options', () => {
    fc.assert(
      fc.property(name, name, (schema, prefix) => {
        fc.pre(fits(schema, MAX_BYTES) && fits(prefix, MAX_PREFIX_BYTES))
        const { channel } = resolveTables({ schema, prefix })
        expect(channel).toMatch(/^[\w.]{1,63}$/)
        expect(resolveTables({ schema, prefix }).channel).toBe(channel)
        expect(resolveTables({ prefix }).channel).not.toBe(channel)
      }),
      runs(),
    )
    expect(resolveTables().channel).toBe('outbox_events')
    expect(resolveTables({ schema: 'Messaging', prefix: 'shop_' }).channel).toBe('Messaging.shop_events')
  })

  it.each([
    ['a', 1],
    ['ü', 2],
    ['日', 3],
    ['😀', 4],
  ])('counts %s as %i bytes', (character, bytes) => {
    const schema = (length: number) =>
      character.repeat(Math.floor(length / bytes)) + 'x'.repeat(length % bytes)
    expect(codeOf(() => resolveTables({ schema: schema(MAX_BYTES) }))).toBeUndefined()
    expect(codeOf(() => resolveTables({ schema: schema(MAX_BYTES + 1) }))).toBe('ERR_OUTBOX_OPTION_INVALID')
    const prefix = schema
    expect(codeOf(() => resolveTables({ prefix: prefix(MAX_PREFIX_BYTES) }))).toBeUndefined()
    expect(codeOf(() => resolveTables({ prefix: prefix(MAX_PREFIX_BYTES + 1) }))).toBe(
      'ERR_OUTBOX_OPTION_INVALID',
    )
  })

  it.each<[string, unknown]>([
    ['schema', ''],
    ['schema', 'a\0b'],
    ['schema', '\udc00'],
    ['schema', 7],
    ['schema', null],
    ['schema', ['messaging']],
    ['prefix', ''],
    ['prefix', 'a\0b'],
    ['prefix', 'a\ud800'],
    ['prefix', {}],
  ])('names the option that is wrong: %s %j', (option, value) => {
    expect(() => resolveTables({ [option]: value })).toThrow(
      expect.objectContaining({ code: 'ERR_OUTBOX_OPTION_INVALID', details: { option } }),
    )
  })

  it('names the tables without a schema unless it is given one', () => {
    const names = { events: '"outbox_events"', aggregates: '"outbox_aggregates"', relays: '"outbox_relays"' }
    expect(resolveTables().names).toMatchObject(names)
    expect(resolveTables({ schema: undefined, prefix: undefined }).names).toMatchObject(names)
  })
})

describe('quoteIdentifier', () => {
  it('gives every text back from SQL', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', minLength: 1 }), (text) => {
        expect(parseNames(quoteIdentifier(text))).toEqual([text])
      }),
      runs(),
    )
  })
})
