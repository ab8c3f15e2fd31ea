/** Metrics, scraped and parsed, against what really happened. */
import { jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import { sql } from 'drizzle-orm'
import {
  createRelay,
  defineEvents,
  isOutboxError,
  memoryPublisher,
  type Relay,
  type RelayOptions,
  startHealthServer,
} from 'drizzle-outbox'
import { jetStreamPublisher } from 'drizzle-outbox/jetstream'
import { observeRelay, observeWrites } from 'drizzle-outbox/prometheus'
import { recordedEvents } from 'drizzle-outbox/testing'
import { type OpenMetricsContentType, Registry, register } from 'prom-client'
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { z } from 'zod'
import { openShop, orderEvents, type Shop } from '../support/drivers.js'
import { NatsProxy } from '../support/nats-proxy.js'
import { PostgresProxy } from '../support/postgres-proxy.js'
import { overriding, unavailableOutcome } from '../support/publishers.js'
import { parseScrape, type Scrape } from '../support/scrape.js'
import { describeWithNats } from '../support/servers.js'
import { readStream } from '../support/stream.js'

let shop: Shop
let registry: Registry
const scrape = async (): Promise<Scrape> => parseScrape(await registry.metrics())
beforeEach(async () => {
  shop = await openShop('node-postgres')
  registry = new Registry()
})
const relays: Relay[] = []
afterEach(async () => {
  await Promise.all(relays.splice(0).map((relay) => relay.stop({ timeoutMs: 0 })))
  await shop.close()
})

function relayOf(options: Partial<RelayOptions> = {}): Relay {
  const relay = createRelay({
    db: shop.db,
    publisher: memoryPublisher(),
    minBackoffMs: 10,
    maxBackoffMs: 50,
    ...options,
  })
  relays.push(relay)
  return relay
}

/** In one transaction each: so many orders, placed and shipped twice. */
async function record(orders: number, carrier = 'dhl'): Promise<void> {
  for (let i = 0; i < orders; i++)
    await shop.db.transaction(async (tx) => {
      const id = `${carrier.slice(0, 5)}-${i}`
      tx.outbox.add(orderEvents.placed(id, { total: i }))
      tx.outbox.add(orderEvents.shipped(id, { carrier }), orderEvents.shipped(id, { carrier }))
    })
}

const patience = { timeout: 20_000 }

describeWithNats('after a run with an outage, lost acknowledgements and a refusal', (natsUrl) => {
  it('the counters say what happened', async () => {
    const proxy = await NatsProxy.start(Number(new URL(natsUrl).port))
    onTestFinished(() => proxy.stop())
    const admin = await connect({ servers: natsUrl })
    onTestFinished(() => admin.close())
    const { streams } = await jetstreamManager(admin)
    const stream = `METRICS_${process.pid}`
    const relay = relayOf({
      name: 'shop',
      batchSize: 20,
      maxAttempts: 100,
      publisher: jetStreamPublisher({
        connection: () => connect({ servers: proxy.url, maxReconnectAttempts: -1, reconnectTimeWait: 20 }),
        stream: { name: stream, create: true, allow: ['max-payload'] },
        publishTimeoutMs: 500,
      }),
    })
    const told = { published: 0, duplicates: 0, pages: 0, seconds: 0, paused: 0, refused: 0 }
    relay.on('published', ({ count, duplicates, durationMs }) => {
      told.published += count
      told.duplicates += duplicates
      told.pages++
      told.seconds += durationMs / 1000
    })
    relay.on('paused', ({ error }) => {
      if (isOutboxError(error) && error.code === 'ERR_OUTBOX_UNAVAILABLE') told.paused++
    })
    relay.on('refused', () => void told.refused++)
    observeWrites(shop.db, { registry })
    observeRelay(relay, { registry })
    const startedAt = Date.now()

    await relay.start()
    await record(20)
    await relay.drain()

    proxy.loseAcks(true) // stored, and nobody knows
    await record(5, 'lost')
    await expect.poll(() => told.paused, patience).toBeGreaterThan(0)
    proxy.refuse(true)
    await record(5, 'away')
    await expect
      .poll(async () => (await scrape()).value('outbox_pending_events', { relay: 'shop' }), patience)
      .toBe(30)
    expect((await scrape()).value('outbox_relay_state', { relay: 'shop', state: 'paused' })).toBe(1)
    proxy.loseAcks(false)
    proxy.refuse(false)
    await relay.drain()

    await streams.update(stream, { max_msg_size: 2000 })
    await record(1, 'x'.repeat(3000))
    await expect.poll(() => told.refused, patience).toBeGreaterThan(1)
    await expect
      .poll(async () => (await scrape()).value('outbox_blocked_aggregates', { relay: 'shop' }), patience)
      .toBe(1)
    expect((await scrape()).sum('outbox_dead_letters', { relay: 'shop' })).toBe(2) // and the one that waits for it
    await streams.update(stream, { max_msg_size: -1 })
    await relay.drain()

    const recorded = await recordedEvents(shop.db)
    const stored = await readStream(admin, stream)
    expect(new Set(stored.map(({ ce }) => ce.id)).size).toBe(recorded.length)
    await relay.stop()
    const { value } = await scrape()
    const ofType = (wanted: string) => recorded.filter(({ type }) => type === wanted).length
    for (const type of ['order.placed', 'order.shipped']) {
      expect(value('outbox_events_written_total', { type })).toBe(ofType(type))
      expect(value('outbox_relay_published_total', { relay: 'shop', type, result: 'acknowledged' })).toBe(
        ofType(type),
      )
    }
    expect(told.published).toBe(recorded.length)
    const refused = { relay: 'shop', type: 'order.shipped', result: 'refused' }
    expect(value('outbox_relay_published_total', refused)).toBe(told.refused)
    expect(told.duplicates).toBeGreaterThan(0)
    expect(value('outbox_duplicate_acks_total', { relay: 'shop' })).toBe(told.duplicates)
    const retries = { unavailable: told.paused, refused: told.refused, database: 0, fenced: 0, other: 0 }
    for (const [reason, count] of Object.entries(retries))
      expect(value('outbox_retries_total', { relay: 'shop', reason })).toBe(count)
    expect(value('outbox_lease_lost_total', { relay: 'shop' })).toBe(0)
    expect(value('outbox_relay_batch_size_count', { relay: 'shop' })).toBe(told.pages)
    expect(value('outbox_relay_batch_size_sum', { relay: 'shop' })).toBe(recorded.length)
    expect(value('outbox_relay_batch_size_bucket', { relay: 'shop', le: '25' })).toBe(told.pages)
    expect(value('outbox_relay_publish_duration_seconds_sum', { relay: 'shop' })).toBeCloseTo(told.seconds, 6)
    expect(value('outbox_commit_to_ack_seconds_count', { relay: 'shop' })).toBe(recorded.length)
    const total = value('outbox_commit_to_ack_seconds_sum', { relay: 'shop' })
    expect(total).toBeGreaterThan(15 * 0.5) // at least a timeout, for those whose acknowledgements were lost
    expect(total).toBeLessThan((recorded.length * (Date.now() - startedAt)) / 1000)
    expect(value('outbox_pending_events', { relay: 'shop' })).toBe(0)
    expect(value('outbox_oldest_pending_age_seconds', { relay: 'shop' })).toBe(0)
    expect(value('outbox_relay_state', { relay: 'shop', state: 'stopped' })).toBe(1)
  })
})

describe('what only the database knows', () => {
  it('is how much is pending, and for how long', async () => {
    let away = true
    const memory = memoryPublisher()
    const publisher = overriding(memory, {
      publish: async (events, options) =>
        away ? unavailableOutcome(events) : memory.publish(events, options),
    })
    const relay = relayOf({ publisher, name: 'shop' })
    observeRelay(relay, { registry })
    expect((await scrape()).value('outbox_pending_events', { relay: 'shop' })).toBeUndefined() // it has never run
    await record(3)
    await relay.start()
    const pending = async () => (await scrape()).value('outbox_pending_events', { relay: 'shop' })
    const age = async () => (await scrape()).value('outbox_oldest_pending_age_seconds', { relay: 'shop' })
    await expect.poll(pending, patience).toBe(9)
    await expect.poll(age, patience).toBeGreaterThan(1)
    expect(await age()).toBeLessThan(600)
    await record(1)
    await expect.poll(pending, patience).toBe(12)
    away = false
    await expect.poll(pending, patience).toBe(0)
    expect(await age()).toBe(0)
  })

  it('is what was set aside, and which aggregates wait', async () => {
    const relay = relayOf({ name: 'shop' })
    observeRelay(relay, { registry })
    await relay.drain()
    const letters = [
      ['shop', 'a', 'parked', true],
      ['shop', 'a', 'waiting', true],
      ['shop', 'a', 'waiting', true],
      ['shop', 'b', 'retrying', true],
      ['shop', 'c', 'parked', false],
      ['shop', 'd', 'discarded', true],
      ['other', 'e', 'parked', true],
    ] as const
    for (const [index, [name, aggregate, state, holds]] of letters.entries())
      await shop.db.execute(sql`
        insert into outbox_dead_letters (relay, position, event_id, aggregate_type, aggregate_id, type, state, holds)
        values (${name}, ${1000 + index}, gen_random_uuid(), 'order', ${aggregate}, 'order.placed', ${state}, ${holds})`)
    const { value, samples } = await scrape()
    const states = { retrying: 1, sending: 0, parked: 2, waiting: 2, discarded: 1 }
    for (const [state, count] of Object.entries(states))
      expect(value('outbox_dead_letters', { relay: 'shop', state })).toBe(count)
    expect(value('outbox_blocked_aggregates', { relay: 'shop' })).toBe(2)
    expect(samples.filter(({ labels }) => labels.relay === 'other')).toEqual([])
  })

  it('is how large the log is', async () => {
    const relay = relayOf({ name: 'shop' })
    observeRelay(relay, { registry })
    await record(50)
    await relay.drain()
    await shop.db.execute(sql`analyze outbox_events`)
    const { value } = await scrape()
    expect(value('outbox_log_rows', { relay: 'shop' })).toBe(150)
    expect(value('outbox_log_bytes', { relay: 'shop' })).toBeGreaterThan(150 * 100)
  })

  it('is absent when that does not answer, while everything else is there', async () => {
    const proxy = await PostgresProxy.start(Number(new URL(shop.url).port))
    onTestFinished(() => proxy.stop())
    const url = new URL(shop.url)
    url.port = String(proxy.port)
    const relay = relayOf({ name: 'shop', db: shop.open({}, { url: url.href }) })
    observeRelay(relay, { registry })
    await relay.start()
    const pending = async () => (await scrape()).value('outbox_pending_events', { relay: 'shop' })
    await expect.poll(pending, patience).toBe(0)
    proxy.refuse(true)
    await expect.poll(pending, patience).toBeUndefined()
    const { value } = await scrape()
    expect(value('outbox_lease_lost_total', { relay: 'shop' })).toBe(0)
    await expect
      .poll(
        async () => (await scrape()).value('outbox_retries_total', { relay: 'shop', reason: 'database' }),
        patience,
      )
      .toBeGreaterThan(0)
    proxy.refuse(false)
    await expect.poll(pending, patience).toBe(0)
  })

  it('is asked once, however many scrape at a time', async () => {
    const relay = relayOf({ name: 'shop' })
    observeRelay(relay, { registry })
    await relay.start()
    const { db } = relay['~drizzle-outbox'].log
    let statements = 0
    const execute = db.execute.bind(db)
    Object.assign(db, {
      execute: (query: never) => {
        if (/outbox_dead_letters/.test(JSON.stringify(query))) statements++
        return execute(query)
      },
    })
    await Promise.all(Array.from({ length: 30 }, scrape))
    expect(statements).toBeLessThan(10)
  })
})

describe('a registry', () => {
  it('has several relays, told apart by their names, until one is not observed any more', async () => {
    const [shopRelay, auditRelay] = [relayOf({ name: 'shop' }), relayOf({ name: 'audit' })]
    const end = observeRelay(shopRelay, { registry })
    observeRelay(auditRelay, { registry })
    await record(2)
    await shopRelay.drain()
    await record(1)
    await auditRelay.drain()
    const { sum, value } = await scrape()
    expect(sum('outbox_relay_published_total', { relay: 'shop' })).toBe(6)
    expect(sum('outbox_relay_published_total', { relay: 'audit' })).toBe(9)
    expect(value('outbox_pending_events', { relay: 'shop' })).toBe(3)
    expect(value('outbox_pending_events', { relay: 'audit' })).toBe(0)
    end()
    await shopRelay.drain()
    const after = await scrape()
    expect(after.sum('outbox_relay_published_total', { relay: 'shop' })).toBe(6)
    expect(after.value('outbox_pending_events', { relay: 'shop' })).toBeUndefined()
    expect(after.value('outbox_relay_state', { relay: 'shop', state: 'stopped' })).toBeUndefined()
    expect(after.value('outbox_pending_events', { relay: 'audit' })).toBe(0)
  })

  it('may be of the user, with labels of its own and in the other format', async () => {
    const own = new Registry<OpenMetricsContentType>()
    own.setContentType(Registry.OPENMETRICS_CONTENT_TYPE)
    own.setDefaultLabels({ service: 'checkout' })
    const relay = relayOf({ name: 'shop' })
    observeWrites(shop.db, { registry: own })
    observeRelay(relay, { registry: own })
    await record(1)
    await relay.drain()
    const text = await own.metrics()
    expect(text).toContain('outbox_events_written_total{type="order.shipped",service="checkout"} 2\n')
    expect(text).toMatch(/# EOF\n$/)
  })

  it('is that of prom-client unless another is given, and may be cleared', async () => {
    onTestFinished(() => register.clear())
    observeRelay(relayOf({ name: 'shop' }))
    register.clear()
    observeRelay(relayOf({ name: 'audit' }))
    const { value } = parseScrape(await register.metrics())
    for (const relay of ['shop', 'audit'])
      expect(value('outbox_relay_state', { relay, state: 'stopped' })).toBe(1)
    expect(await registry.metrics()).toBe('\n')
  })

  it('grows neither with aggregates nor with types that nobody defined', async () => {
    const relay = relayOf({ name: 'shop' })
    observeWrites(shop.db, { registry })
    observeRelay(relay, { registry })
    await record(1)
    await relay.drain()
    const before = (await scrape()).samples.length
    await record(100, 'ups')
    await relay.drain()
    expect((await scrape()).samples.length).toBe(before)

    const many = defineEvents(
      'thing',
      Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`happened${i}`, z.object({})])),
    )
    await shop.db.transaction(async (tx) => {
      for (let i = 0; i < 300; i++) tx.outbox.add(many[`happened${i}`]!('id-of-a-thing', {} as never))
    })
    await relay.drain()
    const text = await registry.metrics()
    const { samples, value } = parseScrape(text)
    expect(samples.length).toBeLessThan(before + 250)
    expect(value('outbox_events_written_total', { type: 'other' })).toBe(302 - 100)
    expect(text).not.toContain('id-of-a-thing')
    expect(new Set(samples.flatMap(({ labels }) => Object.keys(labels)))).toEqual(
      new Set(['relay', 'type', 'result', 'reason', 'state', 'le']),
    )
  })
})

describe('writes', () => {
  it('are counted when they are committed, and not when they are rolled back', async () => {
    const end = observeWrites(shop.db, { registry })
    await record(2)
    const rolledBack = shop.db.transaction(async (tx) => {
      tx.outbox.add(orderEvents.placed('gone', { total: 1 }))
      throw new Error('on purpose')
    })
    await expect(rolledBack).rejects.toThrow('on purpose')
    await shop.db.transaction(async (tx) => {
      const savepoint = tx.transaction(async (inner) => {
        inner.outbox.add(orderEvents.placed('gone', { total: 1 }))
        throw new Error('on purpose')
      })
      await expect(savepoint).rejects.toThrow('on purpose')
    })
    const written = async () => (await scrape()).sum('outbox_events_written_total')
    expect(await written()).toBe((await recordedEvents(shop.db)).length)
    end()
    await record(1)
    expect(await written()).toBe(6)
  })
})

it('all of it is served to Prometheus', async () => {
  const relay = relayOf({ name: 'shop' })
  observeRelay(relay, { registry })
  await relay.drain()
  const server = await startHealthServer({ relays: [relay], port: 0, metrics: registry })
  onTestFinished(() => server.close())
  const response = await fetch(`${server.url}/metrics`)
  expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8')
  expect(parseScrape(await response.text()).value('outbox_pending_events', { relay: 'shop' })).toBe(0)
})
