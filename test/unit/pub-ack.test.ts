import type { Msg } from '@nats-io/transport-node'
import { describe, expect, it } from 'vitest'
import { PubAckReader } from '../../src/publishers/jetstream/pub-ack.js'

const answer = (body: unknown, code?: number) =>
  ({
    data: Buffer.from(String(body)),
    json: () => JSON.parse(String(body)),
    ...(code === undefined ? {} : { headers: { code } }),
  }) as unknown as Msg
const acks = new PubAckReader('SHOP')
const read = (body: string, code?: number) => acks.read(answer(body, code), 'event-1')
const ack = (body: unknown) => read(JSON.stringify(body))
const error = (err_code: number) => ack({ error: { code: 400, err_code, description: 'because' } })

describe('PubAckReader', () => {
  it('takes an event for stored only when the stream that was asked for gave it a sequence', () => {
    expect(ack({ stream: 'SHOP', seq: 1 })).toEqual({ seq: 1, duplicate: false })
    expect(ack({ stream: 'SHOP', seq: 7, duplicate: true })).toEqual({ seq: 7, duplicate: true })
    expect(ack({ stream: 'SHOP', seq: 0, duplicate: true })).toMatchObject({ code: 'ERR_OUTBOX_UNAVAILABLE' })
    expect(ack({ stream: 'OTHER', seq: 1 })).toMatchObject({ code: 'ERR_OUTBOX_UNAVAILABLE' })
    expect(ack({ stream: 'SHOP' })).toMatchObject({ code: 'ERR_OUTBOX_UNAVAILABLE' })
    expect(ack({})).toMatchObject({ code: 'ERR_OUTBOX_UNAVAILABLE' })
    expect(ack(null)).toMatchObject({ code: 'ERR_OUTBOX_UNAVAILABLE' })
    expect(read('not json')).toMatchObject({ code: 'ERR_OUTBOX_UNAVAILABLE' })
    expect(read('', 503)).toMatchObject({
      code: 'ERR_OUTBOX_UNAVAILABLE',
      details: { brokerCode: 503 },
    })
  })

  it.each([
    ['{"stream":"SHOP", "seq":17}', { seq: 17, duplicate: false }],
    ['{"stream":"SHOP", "seq":123456789012345}', { seq: 123456789012345, duplicate: false }],
    ['{"stream":"SHOP", "seq":9007199254740991}', { seq: 9007199254740991, duplicate: false }],
    ['{"stream":"SHOP", "seq":17,"duplicate": true}', { seq: 17, duplicate: true }],
    ['{"stream":"SHOP", "domain":"hub", "seq":17}', { seq: 17, duplicate: false }],
    ['{"stream":"SHOP", "seq":0}', { code: 'ERR_OUTBOX_UNAVAILABLE' }],
    ['{"stream":"SHOP", "seq":-1}', { code: 'ERR_OUTBOX_UNAVAILABLE' }],
    ['{"stream":"SHOP", "seq":}', { code: 'ERR_OUTBOX_UNAVAILABLE' }],
    ['{"stream":"SHOP", "seq":17', { code: 'ERR_OUTBOX_UNAVAILABLE' }],
    ['{"stream":"SHOPS", "seq":17}', { code: 'ERR_OUTBOX_UNAVAILABLE' }],
  ])('reads %s as a server writes it', (body, expected) => {
    expect(read(body)).toMatchObject(expected)
  })

  it.each([
    [10054, 'ERR_OUTBOX_EVENT_REFUSED'], // message too large
    [10071, 'ERR_OUTBOX_FENCED'],
    [10164, 'ERR_OUTBOX_FENCED'],
    [10097, 'ERR_OUTBOX_EVENT_REFUSED'], // headers too large
    [10077, 'ERR_OUTBOX_UNAVAILABLE'], // stream is full
    [10060, 'ERR_OUTBOX_UNAVAILABLE'], // another stream
    [10008, 'ERR_OUTBOX_UNAVAILABLE'], // temporarily
    [1, 'ERR_OUTBOX_UNAVAILABLE'], // never seen: the event is not to blame
  ])('classifies %i as %s', (brokerCode, code) => {
    expect(error(brokerCode)).toMatchObject({
      code,
      message: expect.stringMatching(/stream SHOP.*because|because.*stream SHOP/),
      details: { brokerCode },
    })
  })
})
