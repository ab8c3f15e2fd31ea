import { headers as natsHeadersOf } from '@nats-io/transport-node'
import { CloudEvent, type CloudEventV1 } from 'cloudevents'
import { encodeToken, type RecordedEvent } from 'drizzle-outbox'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { toCloudEvent } from '../../src/cloudevents/cloud-event.js'
import { natsHeaders } from '../../src/cloudevents/nats-headers.js'
import { encodeHeaderValue } from '../../src/cloudevents/percent-encoding.js'
import { checkSubject, checkSubjectPrefix, defaultSubject } from '../../src/cloudevents/subject.js'

const text = fc.string({ unit: 'binary', minLength: 1 }).filter((value) => !/\p{Surrogate}/u.test(value))

const recordedEvent = fc.record<RecordedEvent>({
  id: fc.uuid(),
  type: fc.stringMatching(/^[a-z][a-z.]{0,20}[a-z]$/),
  schemaVersion: fc.integer({ min: 1, max: 32767 }),
  aggregateType: fc.stringMatching(/^[a-z]{1,10}$/),
  aggregateId: text,
  aggregateVersion: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
  position: fc.integer({ min: 1 }),
  source: fc.webUrl(),
  occurredAt: fc.date({ min: new Date(0), max: new Date('2099-01-01'), noInvalidDate: true }),
  data: fc.json().map((json) => JSON.stringify(JSON.parse(json))),
  metadata: fc.record(
    {
      correlationId: text,
      causationId: text,
      traceparent: text,
      extensions: fc.dictionary(fc.stringMatching(/^x[a-z0-9]{1,10}$/), fc.oneof(text, fc.boolean())),
    },
    { requiredKeys: [] },
  ),
})

describe('natsHeaders', () => {
  it('encodes the vector of the specification', () => {
    expect(encodeHeaderValue('Euro € 😀')).toBe('Euro%20%E2%82%AC%20%F0%9F%98%80')
  })

  it('carries every attribute, whatever is in it, and nothing else', () => {
    fc.assert(
      fc.property(recordedEvent, (event) => {
        const block = natsHeaders(event, [['Nats-Msg-Id', event.id]]).toString('latin1')
        const lines = block.split('\r\n')
        expect(lines[0]).toBe('NATS/1.0')
        expect(lines.slice(-2)).toEqual(['', ''])
        const received = natsHeadersOf()
        for (const line of lines.slice(1, -2)) {
          const colon = line.indexOf(': ')
          received.append(line.slice(0, colon), line.slice(colon + 2)) // the client refuses a forged one
        }
        const { data, ...attributes } = toCloudEvent(event)
        const decoded = Object.fromEntries(
          received
            .keys()
            .filter((key) => key.startsWith('ce-'))
            .map((key) => [key.slice(3), decodeURIComponent(received.get(key))]),
        )
        expect(decoded).toEqual(attributes)
        expect(received.keys()).toHaveLength(Object.keys(attributes).length + 1)
      }),
      { numRuns: 2000 },
    )
  })
})

describe('toCloudEvent', () => {
  it('makes an event that the SDK finds valid and reads as the same', () => {
    fc.assert(
      fc.property(recordedEvent, (event) => {
        const made = toCloudEvent(event)
        const typed: CloudEventV1<unknown> = { ...made }
        const read = new CloudEvent(typed)
        expect(read.validate()).toBe(true)
        for (const [name, value] of Object.entries(made)) expect(read[name]).toEqual(value)
      }),
      { numRuns: 300 },
    )
  })

  it('gives a sequence whose strings compare as its numbers do', () => {
    fc.assert(
      fc.property(recordedEvent, recordedEvent, (a, b) => {
        const [x, y] = [toCloudEvent(a).sequence, toCloudEvent(b).sequence]
        expect(x < y).toBe(a.aggregateVersion < b.aggregateVersion)
      }),
    )
  })
})

describe('encodeToken', () => {
  it('makes exactly one token of any text, another for another text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (a, b) => {
        fc.pre(!/\p{Surrogate}/u.test(a + b))
        expect(encodeToken(a)).toMatch(/^[A-Za-z0-9_%-]+$/)
        if (a !== '') expect(decodeURIComponent(encodeToken(a))).toBe(a)
        expect(encodeToken(a) === encodeToken(b)).toBe(a === b)
      }),
      { numRuns: 5000 },
    )
  })
})

describe('subjects', () => {
  const event = { id: '1', type: 'com.acme.order.placed', aggregateType: 'order' } as RecordedEvent

  it('are prefix, aggregate type and event name', () => {
    expect(defaultSubject('shop')(event)).toBe('shop.order.placed')
    expect(defaultSubject('shop')({ ...event, type: 'a.b>c', aggregateType: '*' })).toBe('shop.%2A.b%3Ec')
  })

  it.each([
    '',
    '.',
    'a..b',
    'a.',
    '.a',
    'a.*',
    'a.>',
    'a b',
    'a\tb',
    'a\nb',
    'a\u00a0b',
    'a\u0000',
    '$JS.API',
  ])('%j is refused', (subject) => {
    expect(() => checkSubject(subject, event)).toThrow(
      expect.objectContaining({ code: 'ERR_OUTBOX_EVENT_REFUSED' }),
    )
    expect(() => checkSubjectPrefix('subjectPrefix', subject)).toThrow(
      expect.objectContaining({ code: 'ERR_OUTBOX_OPTION_INVALID' }),
    )
  })
})
