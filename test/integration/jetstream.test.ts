import { setTimeout as sleep } from 'node:timers/promises'
import {
  type DiscardPolicy,
  jetstreamManager,
  PersistMode,
  type RetentionPolicy,
  type StorageType,
} from '@nats-io/jetstream'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { sql } from 'drizzle-orm'
import { createRelay, decodeEvent, type RelayOptions } from 'drizzle-outbox'
import { type JetStreamPublisherOptions, jetStreamPublisher, type StreamRisk } from 'drizzle-outbox/jetstream'
import { recordedEvents } from 'drizzle-outbox/testing'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { readLog } from '../../src/event-log/read-log.js'
import { describeEachDriver, Order, orderEvents, type Shop } from '../support/drivers.js'
import { describeWithNats } from '../support/servers.js'
import { readStream } from '../support/stream.js'

describeWithNats('JetStream', (natsUrl) => {
  let connection: NatsConnection
  let stream: string
  let streams = 0
  beforeAll(async () => {
    connection = await connect({ servers: natsUrl })
  })
  afterAll(() => connection.close())
  beforeEach(() => {
    stream = `TEST_${process.pid}_${++streams}`
  })
  const publisherOf = (options: Partial<JetStreamPublisherOptions> = {}) =>
    jetStreamPublisher({ connection, stream: { name: stream, create: true }, ...options })
  const manager = () => jetstreamManager(connection)

  describeEachDriver('a relay', (getShop) => {
    let shop: Shop
    beforeEach(() => {
      shop = getShop()
    })
    const relayOf = (options: Partial<RelayOptions> = {}) =>
      createRelay({
        db: shop.db,
        name: stream,
        minBackoffMs: 10,
        maxBackoffMs: 50,
        maxAttempts: 100,
        publisher: publisherOf(),
        ...options,
      })

    it('publishes what was recorded, as a consumer with nothing but @nats-io reads it', async () => {
      const id = 'id.with * wild > cards\r\nNats-Msg-Id: forged ü 😀'
      await shop.db.transaction(async (tx) => {
        const order = Order.place(id, 7)
        order.ship('Πόστα "%" \\')
        tx.outbox.add(order)
        tx.outbox.metadata({ correlationId: 'a b', extensions: { tenant: 'ä', paid: true } })
      })
      await relayOf().drain()
      const messages = (await readStream(connection, stream)).filter(({ ce }) => ce.subject === id)
      const recorded = (await recordedEvents(shop.db)).filter(({ aggregateId }) => aggregateId === id)
      expect(messages).toHaveLength(2)
      for (const [index, { subject, headers, ce, text }] of messages.entries()) {
        const event = recorded[index] as (typeof recorded)[number]
        expect(subject).toBe(`${stream.toLowerCase()}.${event.type}`)
        expect(headers.values('Nats-Msg-Id')).toEqual([event.id])
        expect(JSON.parse(text)).toEqual(event.data)
        expect(ce).toEqual({
          specversion: '1.0',
          id: event.id,
          source: '/shop',
          type: event.type,
          subject: id,
          time: event.occurredAt.toISOString(),
          datacontenttype: 'application/json',
          sequence: String(index + 1).padStart(16, '0'),
          partitionkey: id,
          schemaversion: '1',
          correlationid: 'a b',
          tenant: 'ä',
          paid: 'true',
        })
      }
      const shipped = messages[1]
      expect(
        decodeEvent(orderEvents, { type: String(shipped?.ce.type), data: JSON.parse(shipped?.text ?? '') }),
      ).toEqual({
        type: 'order.shipped',
        data: { carrier: 'Πόστα "%" \\' },
      })
    })

    it.each(['BÜRO', '"shop"'])('publishes to a stream of any name, such as %s', async (name) => {
      const named = `${name}_${process.pid}_${streams}`
      await shop.db.transaction(async (tx) => tx.outbox.add(Order.place(named)))
      await relayOf({ publisher: publisherOf({ stream: { name: named, create: true } }) }).drain()
      const messages = await readStream(connection, named)
      expect(messages.map(({ ce }) => ce.subject)).toContain(named)
      expect(messages[0]?.headers.values('Nats-Expected-Stream')).toEqual([named])
      await (await manager()).streams.delete(named)
    })

    it('stores each event once, however often it is published', async () => {
      await shop.db.transaction(async (tx) => tx.outbox.add(Order.place('twice')))
      await relayOf().drain()
      const { length } = await readStream(connection, stream)
      await shop.db.execute(sql`update outbox_relays set snapshot = '1:1:' where name = ${stream}`)
      const again = relayOf()
      const duplicates: number[] = []
      again.on('published', (event) => duplicates.push(event.duplicates))
      await again.drain()
      expect(duplicates.reduce((sum, n) => sum + n, 0)).toBe(length)
      expect(await readStream(connection, stream)).toHaveLength(length)
    })

    it('has an event refused that the stream finds too large, and publishes the others', async () => {
      await (await manager()).streams.add({
        name: stream,
        subjects: [`${stream.toLowerCase()}.>`],
        max_msg_size: 2000,
      })
      await shop.db.transaction(async (tx) => {
        tx.outbox.add(orderEvents.shipped('huge', { carrier: 'x'.repeat(3000) }))
        tx.outbox.add(orderEvents.shipped('huge', { carrier: 'after' }))
        tx.outbox.add(orderEvents.shipped('small', { carrier: 'fits' }))
      })
      const relay = relayOf({ publisher: publisherOf({ stream: { name: stream, allow: ['max-payload'] } }) })
      const refused: string[] = []
      relay.on('refused', ({ error }) => refused.push(error.message))
      await relay.start()
      await expect.poll(() => refused.length).toBeGreaterThan(1)
      const subjects = (await readStream(connection, stream)).map(({ ce }) => ce.subject)
      expect(subjects).toContain('small')
      expect(subjects).not.toContain('huge')
      await (await manager()).streams.update(stream, { max_msg_size: -1 })
      await relay.drain()
      await relay.stop()
      const texts = (await readStream(connection, stream))
        .filter(({ ce }) => ce.subject === 'huge')
        .map(({ text }) => text)
      expect(texts).toEqual([`{"carrier":"${'x'.repeat(3000)}"}`, '{"carrier":"after"}'])
    })

    it('pauses when the stream is deleted under it, does not make an empty one, and goes on with a new one when allowed to', async () => {
      const relay = relayOf()
      await relay.start()
      await relay.drain()
      await (await manager()).streams.delete(stream)
      const paused: string[] = []
      relay.on('paused', ({ error }) => paused.push('code' in error ? String(error.code) : error.message))
      await shop.db.transaction(async (tx) => tx.outbox.add(Order.place('deleted')))
      await expect.poll(() => paused).toContain('ERR_OUTBOX_STREAM_UNFIT')
      expect(relay.status().error?.message).toContain('was there and is gone')
      expect(relay.status()).toMatchObject({ state: 'paused', error: { code: 'ERR_OUTBOX_STREAM_UNFIT' } })
      await (await manager()).streams.add({ name: stream, subjects: [`${stream.toLowerCase()}.>`] })
      await expect.poll(() => paused).toContain('ERR_OUTBOX_DESTINATION_LOST')
      expect(relay.status().error?.message).toContain('was created at')
      await relay.stop()
      expect(await readStream(connection, stream)).toEqual([])

      await relayOf({ publisher: publisherOf({ stream: { name: stream, allow: ['lost-events'] } }) }).drain()
      expect((await readStream(connection, stream)).map(({ ce }) => ce.subject)).toEqual(['deleted'])
      await relayOf().drain()
    })

    it('publishes no page after one that it could not, though it could again', async () => {
      let failing = false
      const flaky = new Proxy(connection, {
        get: (target, key) => {
          if (key === 'request' && failing) {
            failing = false
            return () => Promise.reject(new Error('a moment of trouble'))
          }
          const value = Reflect.get(target, key, target)
          return typeof value === 'function' ? value.bind(target) : value
        },
      })
      await shop.db.transaction(async (tx) => {
        for (let i = 0; i < 4; i++) tx.outbox.add(orderEvents.shipped('pages', { carrier: String(i) }))
      })
      const events = (await readLog(shop.db['~drizzle-outbox'].log, '/shop')).slice(-4)
      const publisher = publisherOf({ connection: flaky, publishTimeoutMs: 100 })
      const { signal } = new AbortController()
      await publisher.prepare({ leaseMs: 1000, signal })
      await sleep(250) // so that it looks at the stream again
      failing = true
      const options = { signal, maySend: () => true, fresh: true, outcomesSeen: false }
      const pages = [events.slice(0, 2), events.slice(2)].map((page) => publisher.publish(page, options))
      expect((await Promise.all(pages)).map(({ unacknowledged }) => unacknowledged.length)).toEqual([2, 2])
      expect(await readStream(connection, stream)).toEqual([])
      await publisher.prepare({ leaseMs: 1000, signal })
      expect(await publisher.publish(events, options)).toMatchObject({ unacknowledged: [] })
      await publisher.close()
    })

    it('goes on in another stream with what comes', async () => {
      await relayOf().drain()
      await shop.db.transaction(async (tx) => tx.outbox.add(Order.place('moved')))
      const other = `${stream}_OTHER`
      const publisher = publisherOf({ stream: { name: other, create: true } })
      await relayOf({ publisher }).drain()
      expect((await readStream(connection, other)).map(({ ce }) => ce.subject)).toEqual(['moved'])
    })

    it('connects anew when its connection was closed for good', async () => {
      const connections: NatsConnection[] = []
      const connectAgain = async () => {
        const made = await connect({ servers: natsUrl })
        connections.push(made)
        return made
      }
      const relay = relayOf({ publisher: publisherOf({ connection: connectAgain }) })
      await relay.start()
      await relay.drain()
      await connections[0]?.close()
      await shop.db.transaction(async (tx) => tx.outbox.add(Order.place('reconnected')))
      await relay.drain()
      await relay.stop()
      expect(connections).toHaveLength(2)
      expect(connections.every((made) => made.isClosed())).toBe(true)
      expect((await readStream(connection, stream)).map(({ ce }) => ce.subject)).toContain('reconnected')
    })

    it('asks a function for the subject, and refuses one that is none', async () => {
      await shop.db.transaction(async (tx) => {
        tx.outbox.add(orderEvents.shipped('good', { carrier: 'x' }))
        tx.outbox.add(orderEvents.shipped('*', { carrier: 'x' }))
      })
      const publisher = publisherOf({
        stream: { name: stream, create: { subjects: [`own.${stream}.>`] } },
        subject: ({ aggregateId }) => `own.${stream}.${aggregateId.replaceAll(' ', '_')}`,
      })
      const relay = relayOf({ publisher })
      const refused: string[] = []
      relay.on('refused', ({ error }) => refused.push(error.message))
      await relay.start()
      await expect.poll(() => refused.length).toBeGreaterThan(0)
      await relay.stop()
      const subjects = (await readStream(connection, stream)).map(({ subject }) => subject)
      expect(subjects).toContain(`own.${stream}.good`)
      expect(subjects.some((subject) => subject.includes('*'))).toBe(false)
    })
  })

  describe('preflight', () => {
    const prepare = (options: Partial<JetStreamPublisherOptions> = {}) =>
      publisherOf({ stream: { name: stream }, ...options }).prepare({
        leaseMs: 15_000,
        signal: new AbortController().signal,
      })

    it('refuses to be acknowledged before events are written, which servers can from 2.12 on', async ({
      skip,
    }) => {
      const subjects = [`${stream.toLowerCase()}.>`]
      const { config } = await (await manager()).streams.add({
        name: stream,
        subjects,
        persist_mode: PersistMode.Async,
      })
      skip(config.persist_mode !== PersistMode.Async, 'an older server')
      await expect(prepare()).rejects.toMatchObject({
        details: { findings: [expect.stringContaining('persist_mode async')] },
      })
      await prepare({ stream: { name: stream, allow: ['async-persistence'] } })
    })

    it.each<[string, object, StreamRisk | undefined]>([
      ['no_ack', { no_ack: true }, undefined],
      ['retention interest', { retention: 'interest' as RetentionPolicy }, undefined],
      ['retention workqueue', { retention: 'workqueue' as RetentionPolicy }, undefined],
      ['max_msgs_per_subject', { max_msgs_per_subject: 1 }, undefined],
      ['do not cover', { subjects: ['other.>'] }, undefined],
      ['discard old', { max_msgs: 10, discard: 'old' as DiscardPolicy }, 'discard-old'],
      ['memory storage', { storage: 'memory' as StorageType }, 'memory-storage'],
      ['duplicate_window', { duplicate_window: 1e9 }, 'duplicate-window'],
      ['a message may have', { max_msg_size: 1000 }, 'max-payload'],
    ])('refuses %s', async (finding, config, risk) => {
      const subjects = [`${stream.toLowerCase()}.>`]
      await (await manager()).streams.add({ name: stream, subjects, ...config })
      await expect(prepare()).rejects.toMatchObject({
        code: 'ERR_OUTBOX_STREAM_UNFIT',
        details: { stream, findings: [expect.stringContaining(finding)] },
      })
      if (risk !== undefined) await prepare({ stream: { name: stream, allow: [risk] } })
      await (await manager()).streams.delete(stream)
    })

    it.each([
      [['a.>'], 'a', true],
      [['>'], 'a.b', true],
      [['a.*.>'], 'a.b', true],
      [['x.>', 'a.b.>'], 'a.b', true],
      [['a.*'], 'a', false],
      [['a.*.*'], 'a', false],
      [['a.b.>'], 'a', false],
    ])('finds whether %j covers %j.>', async (patterns, prefix, covered) => {
      const rooted = patterns.map((pattern) => (pattern === '>' ? `${stream}.>` : `${stream}.${pattern}`))
      await (await manager()).streams.add({ name: stream, subjects: rooted })
      const prepared = prepare({ subjectPrefix: `${stream}.${prefix}` })
      if (covered) await prepared
      else await expect(prepared).rejects.toMatchObject({ code: 'ERR_OUTBOX_STREAM_UNFIT' })
      await (await manager()).streams.delete(stream)
    })

    it('refuses a stream that is missing, creates it when asked to, as asked', async () => {
      await expect(prepare()).rejects.toThrow(/does not exist/)
      await prepare({ stream: { name: stream, create: { max_age: 3600e9 } } })
      const { config } = await (await manager()).streams.info(stream)
      expect(config).toMatchObject({
        max_age: 3600e9,
        storage: 'file',
        subjects: [`${stream.toLowerCase()}.>`],
      })
    })

    it('finds NATS unavailable when it cannot connect, or is given a connection that is closed', async () => {
      const closed = await connect({ servers: natsUrl })
      await closed.close()
      for (const given of [() => Promise.reject(new Error('refused')), async () => closed, closed])
        await expect(prepare({ connection: given })).rejects.toMatchObject({ code: 'ERR_OUTBOX_UNAVAILABLE' })
    })

    it.each([
      ['stream.name', { stream: { name: 'a.b' } }],
      ['stream.name', { stream: { name: 'a\0b' } }],
      ['subjectPrefix', { subjectPrefix: 'a.*' }],
      ['stream.create', { subject: () => 'own', stream: { name: 'OWN', create: true } }],
      ['connection', { connection: Promise.resolve() as never }],
      ['window', { window: 0 }],
      ['publishTimeoutMs', { publishTimeoutMs: 0 }],
    ])('refuses a wrong %s at once', (option, options) => {
      expect(() => publisherOf(options)).toThrow(
        expect.objectContaining({ code: 'ERR_OUTBOX_OPTION_INVALID', details: { option } }),
      )
    })
  })
})
