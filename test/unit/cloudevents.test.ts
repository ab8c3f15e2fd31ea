import { deepStrictEqual } from 'node:assert'
import { headers, type MsgHdrs } from '@nats-io/transport-node'
import { CloudEvent, type CloudEventV1 } from 'cloudevents'
import { type DomainEvent, defineEvents, event, type Metadata, type RecordedEvent } from 'drizzle-outbox'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { toCloudEvent } from '../../src/cloudevents/cloud-event.js'
import { NatsHeaders } from '../../src/cloudevents/nats-headers.js'
import { encodeHeaderValue } from '../../src/cloudevents/percent-encoding.js'
import { defaultSubject } from '../../src/cloudevents/subject.js'
import { TextSlab } from '../../src/cloudevents/text-slab.js'
import { toEventRecord } from '../../src/events/record-event.js'
import { aggregateId, freeNames, largestEvent, metadata } from '../support/arbitrary-events.js'
import { anyText, storableText } from '../support/arbitrary-text.js'
import { codeOf } from '../support/code-of.js'
import { attributesOf, parseHeaderBlock, percentEncoded } from '../support/nats-binding.js'
import { runs } from '../support/runs.js'

/** Texts of each property; an event has six of them. */
const TEXTS = 6_000

const { placed } = defineEvents('order', { placed: event(z.unknown(), { dataschema: 'urn:order:placed' }) })

/** As the relay reads it from the log. */
function fromLog(recorded: DomainEvent, more: Partial<RecordedEvent> = {}): RecordedEvent {
  const { dataschema, ...record } = toEventRecord(recorded)
  return {
    ...{ ...record, source: '/shop', aggregateVersion: 1, position: 1 },
    ...(dataschema === undefined ? {} : { dataschema }),
    data: JSON.stringify(recorded.data),
    metadata: JSON.parse(JSON.stringify(record.metadata)),
    ...more,
  }
}

/** The client's own reading of a block, which it does not export. */
const { decode } = headers().constructor as unknown as { decode(block: Uint8Array): MsgHdrs }

/** One for all events, as a publisher has it: what it keeps of one type is not taken for another. */
const headersOfAll = new NatsHeaders(new TextSlab())

/** Reads the message of an event as its consumers may, and finds the event and nothing else. */
function expectToArrive(event: RecordedEvent): void {
  const attributes = attributesOf(event)
  const data = JSON.parse(event.data)
  const forNats = [
    ['Nats-Msg-Id', event.id],
    ['Nats-Expected-Stream', 'BÜRO_"1"_100%'],
  ] as const
  const block = headersOfAll.encode(event, forNats.map(([name, value]) => `${name}: ${value}\r\n`).join(''))
  const received = decode(block)
  const read: Record<string, string> = {}
  for (const [name, [value = '']] of received)
    if (name.startsWith('ce-')) read[name.slice('ce-'.length)] = decodeURIComponent(value)
  const encoded = Object.entries(attributes).map(([name, value]) => [`ce-${name}`, percentEncoded(value)])
  const sdk = new CloudEvent({ ...read, data } as unknown as CloudEventV1<unknown>, true)

  const inOrder = (list: Iterable<readonly unknown[]>) => [...list].sort()
  const found = {
    block: inOrder(parseHeaderBlock(block)),
    received: inOrder(received),
    read,
    sdk: Object.fromEntries(Object.keys(attributes).map((name) => [name, sdk[name]])),
    memory: toCloudEvent(event),
  }
  // `expect` would take most of the time.
  deepStrictEqual(found, {
    block: inOrder([...forNats, ...encoded]),
    received: inOrder([...forNats, ...encoded].map(([name, value]) => [name, [value]])),
    read: attributes,
    sdk: attributes,
    memory: { ...attributes, data },
  })
}

describe('an event', () => {
  it('arrives as it is, whatever its aggregate, type and metadata are', () => {
    const parts = fc.record({ aggregateId, metadata, byHand: fc.option(freeNames, { freq: 1 }) })
    fc.assert(
      fc.property(parts, ({ aggregateId, metadata, byHand }) => {
        const recorded = placed(aggregateId, { total: 1 }, metadata)
        expectToArrive(fromLog(byHand === null ? recorded : { ...recorded, ...byHand }))
      }),
      runs(Math.ceil(TEXTS / 6)),
    )
  })

  it('is refused as it is recorded when it could not', () => {
    const isText = (text: string, length: number) =>
      text !== '' && text.length <= length && !text.includes('\0') && Buffer.from(text).toString() === text
    fc.assert(
      fc.property(anyText, (text) => {
        const isType = text.split('.').every((part) => isText(part, 63)) && text.length <= 255
        const isMetadata = isText(text, 8192) && 'correlationId'.length + Buffer.byteLength(text) <= 8192
        const refusals = [
          codeOf(() => placed(text, {})),
          codeOf(() => toEventRecord({ ...placed('1', {}), aggregateType: text })),
          codeOf(() => toEventRecord({ ...placed('1', {}), type: text })),
          codeOf(() => placed('1', {}, { correlationId: text })),
          codeOf(() => placed('1', {}, { extensions: { correlationto: text } })),
        ]
        deepStrictEqual(refusals, [
          isText(text, 512) ? undefined : 'ERR_OUTBOX_AGGREGATE_ID_INVALID',
          isText(text, 63) ? undefined : 'ERR_OUTBOX_EVENT_INVALID',
          isType ? undefined : 'ERR_OUTBOX_EVENT_INVALID',
          isMetadata ? undefined : 'ERR_OUTBOX_METADATA_INVALID',
          isMetadata ? undefined : 'ERR_OUTBOX_METADATA_INVALID',
        ])
      }),
      runs(10_000),
    )
  })

  it.each([
    ...['\r\nNats-Msg-Id: evil', '\n', '\t', ' both ends ', '\u00a0', '\ufeffmark', '\u2028', '$JS.>', '.'],
    ...['%', '%2E', '%0D%0A', '"quoted"', '😀', 'Euro € 😀', '\uffff', '__proto__'],
  ])('arrives with %j for a text', (text) => {
    const metadata = { correlationId: text, tracestate: text, extensions: { constructor: text } }
    expectToArrive(fromLog(placed(text, text, metadata)))
  })

  it.each(['', 'a\0', '\ud800', 'x\udc00'])('is not recorded of an aggregate %j', (id) => {
    expect(codeOf(() => placed(id, {}))).toBe('ERR_OUTBOX_AGGREGATE_ID_INVALID')
  })

  const names = [...'abcdefghijklmnopqrstuvwxyz0123456789'].flatMap((a, _, all) => all.map((b) => a + b))
  const manyAttributes = Object.fromEntries(names.filter((name) => name !== 'id').map((name) => [name, '日']))

  it.each<Metadata | undefined>([undefined, { extensions: manyAttributes }])(
    'has headers and a subject that JetStream takes, at its largest (%#)',
    (metadata) => {
      const uri = `urn:${'%25'.repeat(681)}`
      const event = fromLog(largestEvent(metadata), { source: uri, dataschema: uri })
      const block = headersOfAll.encode(event, `Nats-Expected-Stream: ${'日'.repeat(85)}\r\n`)
      expect(block.length).toBeLessThan(2 ** 16)
      expect(codeOf(() => defaultSubject('x'.repeat(1024))(event))).toBeUndefined()
    },
  )

  it('has a sequence whose text compares as its number does', () => {
    const version = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER })
    const sequenceOf = (aggregateVersion: number) =>
      toCloudEvent(fromLog(placed('1', {}), { aggregateVersion })).sequence
    fc.assert(
      fc.property(version, version, (a, b) => sequenceOf(a) < sequenceOf(b) === a < b),
      runs(),
    )
  })
})

describe('encodeHeaderValue', () => {
  it('encodes the vector of the specification', () => {
    expect(encodeHeaderValue('Euro € 😀')).toBe('Euro%20%E2%82%AC%20%F0%9F%98%80')
  })

  it('encodes as the specification says, and decodes to the same', () => {
    fc.assert(
      fc.property(storableText, (text) => {
        const encoded = encodeHeaderValue(text)
        return encoded === percentEncoded(text) && decodeURIComponent(encoded) === text
      }),
      runs(TEXTS),
    )
  })
})
