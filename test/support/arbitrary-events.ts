/** Events of any aggregate, with any data and metadata that can be recorded. */
import { type DomainEvent, defineEvents, event, type Metadata, type RecordedEvent } from 'drizzle-outbox'
import fc from 'fast-check'
import { z } from 'zod'
import { storableText } from './arbitrary-text.js'

const nastyNumbers = [
  ...[1e308, -1e308, 5e-324, 1e-7, 1e21, 123456789012345680000, 2 ** 53 + 2, 0.1 + 0.2, -0],
  ...[
    Number.MAX_SAFE_INTEGER,
    Number.MIN_SAFE_INTEGER,
    2 ** 63,
    Number('12345678901234567'),
    1.7976931348623157e308,
  ],
]
const number = fc.oneof(fc.constantFrom(...nastyNumbers), fc.double({ noNaN: true, noDefaultInfinity: true }))

/** Text that an event can have: of up to so many characters, and at least one. */
const textOf = (maxLength: number) =>
  storableText
    .map((value) => value.slice(0, maxLength).replace(/\p{Surrogate}/gu, ''))
    .filter((value) => value !== '')

/** Plain data. With own `__proto__` keys, as `JSON.parse` makes them, and `undefined` properties, which are absent. */
const json = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    storableText,
    number,
    fc.constantFrom(null, true, false, '', {}, []),
    fc.array(tie('value'), { maxLength: 5 }),
    fc
      .array(fc.tuple(storableText, fc.option(tie('value'), { nil: undefined })), { maxLength: 5 })
      .map(Object.fromEntries),
  ),
})).value

/** Of up to 8192 bytes. */
export const metadata: fc.Arbitrary<Metadata> = fc.record(
  {
    correlationId: textOf(300),
    causationId: textOf(300),
    traceparent: fc
      .stringMatching(/^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/)
      .filter((value) => !value.includes('-000')),
    tracestate: textOf(300),
    extensions: fc.dictionary(
      fc.stringMatching(/^x[a-z0-9]{0,19}$/),
      fc.oneof(textOf(300), fc.integer(), fc.boolean()),
      { minKeys: 1, maxKeys: 4, noNullPrototype: true },
    ),
  },
  { requiredKeys: [], noNullPrototype: true },
)

export const aggregateId = textOf(512)
/** Names that no definition would take, of events that are put together by hand. */
export const freeNames = fc.record({
  type: textOf(63).filter((type) => type.split('.').every((part) => part !== '')),
  aggregateType: textOf(63),
})

const name = fc.stringMatching(/^[A-Za-z][A-Za-z0-9_-]{0,20}$/)
export const aggregate = fc.record({ type: name, id: aggregateId })
type AggregateKey = { readonly type: string; readonly id: string }

/** An event of an aggregate, by a definition of its own; every other one put together by hand, under any name. */
export const eventMaker = fc
  .record({
    strict: fc.boolean(),
    options: fc.record(
      {
        version: fc.integer({ min: 1, max: 32_767 }),
        type: fc.array(name, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('.')),
        dataschema: fc.webUrl({ withQueryParameters: true, withFragments: true }),
      },
      { requiredKeys: [] },
    ),
    name,
    data: json,
    metadata,
    byHand: fc.option(freeNames, { freq: 1 }),
  })
  .map(({ strict, options, name, data, metadata, byHand }) => ({ type, id }: AggregateKey): DomainEvent => {
    const schema: z.ZodType = strict ? z.json() : z.unknown()
    const events = defineEvents(type, { [name]: event(schema, options) })
    const recorded = events[name]!(id, strict ? parsed(data) : data, metadata)
    if (byHand !== null) return { ...recorded, ...byHand }
    dataschemas.set(recorded, options.dataschema)
    return recorded
  })

/** One that has as much in its headers as there may be: of characters that are nine bytes when they are encoded. */
export function largestEvent(metadata: Metadata = { correlationId: '日'.repeat(2726) }): DomainEvent {
  const { placed } = defineEvents('order', { placed: z.unknown() })
  const part = '日'.repeat(63)
  const type = Array(4).fill(part).join('.')
  return { ...placed('日'.repeat(512), {}, metadata), aggregateType: part, type }
}

/** Without the `undefined` properties that `z.json()` refuses. */
const parsed = (data: unknown): unknown => JSON.parse(JSON.stringify(data))
const dataschemas = new WeakMap<DomainEvent, string | undefined>()

/** The events as the log should give them back, byte for byte. Ask before anything can change the data. */
export function expectedOf(events: readonly DomainEvent[]): Omit<RecordedEvent, 'position'>[] {
  const versions = new Map<string, number>()
  return events.map((recorded) => {
    const { id, type, schemaVersion, aggregateType, aggregateId, occurredAt, metadata } = recorded
    const key = JSON.stringify([aggregateType, aggregateId])
    const aggregateVersion = (versions.get(key) ?? 0) + 1
    versions.set(key, aggregateVersion)
    const dataschema = dataschemas.get(recorded)
    return {
      ...{ id, type, schemaVersion, aggregateType, aggregateId, aggregateVersion, occurredAt },
      ...(dataschema === undefined ? {} : { dataschema }),
      source: '/shop',
      data: JSON.stringify(recorded.data),
      metadata: { ...metadata },
    }
  })
}
