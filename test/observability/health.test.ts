/** Probes, as an orchestrator sends them, of relays between real servers that go away. */
import { connect as connectTcp } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect } from '@nats-io/transport-node'
import {
  createRelay,
  type HealthServerOptions,
  memoryPublisher,
  type Publisher,
  type Relay,
  type RelayOptions,
  startHealthServer,
} from 'drizzle-outbox'
import { jetStreamPublisher } from 'drizzle-outbox/jetstream'
import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { openShop, orderEvents, type Shop, type ShopDb } from '../support/drivers.js'
import { NatsProxy } from '../support/nats-proxy.js'
import { PostgresProxy } from '../support/postgres-proxy.js'
import { overriding, unavailableOutcome } from '../support/publishers.js'
import { describeWithNats } from '../support/servers.js'
import { withTrouble } from '../support/trouble.js'

let shop: Shop
beforeAll(async () => {
  shop = await openShop('node-postgres')
})
afterAll(() => shop?.close())

const started: AsyncDisposable[] = []
afterEach(async () => {
  for (const it of started.splice(0).reverse()) await it[Symbol.asyncDispose]()
})

let names = 0
function relayOf(options: Partial<RelayOptions> = {}): Relay {
  const relay = createRelay({
    db: shop.db,
    name: `health-${++names}`,
    publisher: memoryPublisher(),
    minBackoffMs: 10,
    maxBackoffMs: 50,
    ...options,
  })
  started.push({ [Symbol.asyncDispose]: () => relay.stop({ timeoutMs: 0 }) })
  return relay
}

async function serve(relays: readonly Relay[], options: Partial<HealthServerOptions> = {}) {
  const server = await startHealthServer({ relays, port: 0, ...options })
  started.push(server)
  const get = async (path: string, init?: RequestInit) => {
    const response = await fetch(`${server.url}${path}`, init)
    return { status: response.status, headers: response.headers, text: await response.text() }
  }
  return {
    server,
    get,
    statusOf: async (path: string) => (await get(path)).status,
    /** What it says of its first relay. */
    readiness: async () => {
      const { status, text } = await get('/readyz')
      return { status, ...JSON.parse(text).relays[0] }
    },
  }
}

const record = (db: ShopDb = shop.db) =>
  db.transaction(async (tx) => tx.outbox.add(orderEvents.shipped('probed', { carrier: 'dhl' })))

const patience = { timeout: 20_000 }

describe('a relay', () => {
  it('is ready when it leads and when it stands by, and not before it is started or after it is stopped', async () => {
    const name = 'a-pair'
    const [first, second] = [relayOf({ name }), relayOf({ name })]
    const probes = [await serve([first]), await serve([second])] as const
    expect(await probes[0].readiness()).toMatchObject({ status: 503, ready: false, state: 'stopped' })
    await first.start()
    await expect
      .poll(() => probes[0].readiness(), patience)
      .toEqual({
        status: 200,
        relay: name,
        state: 'idle',
        ready: true,
        database: 'ok',
        broker: 'ok',
      })
    await second.start()
    await expect.poll(() => probes[1].readiness(), patience).toMatchObject({ status: 200, state: 'standby' })
    await first.stop()
    expect(await probes[0].readiness()).toMatchObject({ status: 503, ready: false, state: 'stopped' })
    for (const { statusOf } of probes) expect(await statusOf('/healthz')).toBe(200)
    expect(await (await serve([first, second])).statusOf('/readyz')).toBe(503)
  })

  it('is not ready without its database, though it is alive, and is again when that is back', async () => {
    const proxy = await PostgresProxy.start(Number(new URL(shop.url).port))
    onTestFinished(() => proxy.stop())
    const url = new URL(shop.url)
    url.port = String(proxy.port)
    const relay = relayOf({ db: shop.open({}, { url: url.href }) })
    await relay.start()
    const { readiness, statusOf } = await serve([relay])
    await expect.poll(readiness, patience).toMatchObject({ status: 200, database: 'ok' })
    proxy.refuse(true)
    await expect
      .poll(readiness, patience)
      .toMatchObject({ status: 503, database: 'ERR_OUTBOX_DATABASE_FAILED', broker: 'ok' })
    expect(await statusOf('/healthz')).toBe(200)
    proxy.refuse(false)
    await expect.poll(readiness, patience).toMatchObject({ status: 200, database: 'ok' })
  })

  it('is not ready when the database does not answer', async () => {
    const db = withTrouble(shop.db, (statement) =>
      /as answer/.test(statement) ? new Promise(() => {}) : undefined,
    )
    const relay = relayOf({ db })
    await relay.start()
    const { readiness } = await serve([relay], { timeoutMs: 200 })
    expect(await readiness()).toMatchObject({ status: 503, database: 'no answer', broker: 'ok' })
  })

  it('is not ready once it has been paused for longer than the grace', async () => {
    let broken = true
    const memory = memoryPublisher()
    const publisher = overriding(memory, {
      publish: async (events, options) =>
        broken ? unavailableOutcome(events) : memory.publish(events, options),
    })
    const relay = relayOf({ publisher })
    await relay.start()
    const [strict, lenient] = [
      await serve([relay], { graceMs: 300 }),
      await serve([relay], { graceMs: 600_000 }),
    ]
    await expect.poll(strict.readiness, patience).toMatchObject({ status: 200 })
    await record()
    await expect
      .poll(strict.readiness, patience)
      .toMatchObject({ status: 503, state: 'paused', broker: 'ok' })
    expect(await lenient.readiness()).toMatchObject({ status: 200, state: 'paused' })
    expect(await strict.statusOf('/healthz')).toBe(200)
    broken = false
    await expect.poll(strict.readiness, patience).toMatchObject({ status: 200 })
    expect(relay.status()).not.toHaveProperty('pausedMs')
  })

  it.each<[string, Partial<Publisher>]>([
    ['publishing', { publish: () => new Promise(() => {}) }],
    ['a recovery', { recover: () => new Promise(() => {}) }],
  ])('is neither alive nor ready when %s never ends', async (_, stuck) => {
    const relay = relayOf({ publisher: overriding(memoryPublisher(), stuck) })
    await relay.start()
    await record()
    const { statusOf } = await serve([relay], { stuckAfterMs: 300 })
    await expect.poll(() => statusOf('/healthz'), patience).toBe(503)
    expect(await statusOf('/readyz')).toBe(503)
    expect(await (await serve([relay])).statusOf('/healthz')).toBe(200) // by default it is given minutes
  })

  it('is alive for as long as it has nothing to do', async () => {
    const relay = relayOf({ minPollMs: 600_000, maxPollMs: 600_000 })
    await relay.drain()
    await relay.start()
    await expect.poll(() => relay.status().state, patience).toBe('idle')
    const { statusOf } = await serve([relay], { stuckAfterMs: 1 })
    const until = performance.now() + 300
    while (performance.now() < until) expect(await statusOf('/healthz')).toBe(200)
  })

  it('is asked one question at a time, however many ask', async () => {
    let questions = 0
    const db = withTrouble(shop.db, (statement) => {
      if (!/as answer/.test(statement)) return undefined
      questions++
      return sleep(500)
    })
    const relay = relayOf({ db })
    await relay.start()
    const servers = [await serve([relay]), await serve([relay])]
    await Promise.all(
      servers.flatMap(({ statusOf }) => Array.from({ length: 30 }, () => statusOf('/readyz'))),
    )
    // One for each server, and more only if so many probes take so long.
    expect(questions).toBeLessThan(20)
  })
})

describeWithNats('a relay to JetStream', (natsUrl) => {
  it('is not ready without its broker, leading or standing by, with events or without', async () => {
    const proxy = await NatsProxy.start(Number(new URL(natsUrl).port))
    onTestFinished(() => proxy.stop())
    const stream = `HEALTH_${process.pid}`
    const publisher = () =>
      jetStreamPublisher({
        connection: () => connect({ servers: proxy.url, maxReconnectAttempts: -1, reconnectTimeWait: 20 }),
        stream: { name: stream, create: true },
        publishTimeoutMs: 1000,
      })
    const [leader, standby] = [
      relayOf({ name: stream, publisher: publisher() }),
      relayOf({ name: stream, publisher: publisher() }),
    ]
    await leader.start()
    await leader.drain()
    await standby.start()
    const probes = [await serve([leader]), await serve([standby])]
    for (const { readiness } of probes) await expect.poll(readiness, patience).toMatchObject({ status: 200 })
    expect([leader, standby].map((relay) => relay.status().state)).toEqual(['idle', 'standby'])

    proxy.refuse(true)
    const down = { status: 503, database: 'ok', broker: 'ERR_OUTBOX_UNAVAILABLE' }
    for (const { readiness } of probes) await expect.poll(readiness, patience).toMatchObject(down)
    expect([leader, standby].map((relay) => relay.status().state)).toEqual(['idle', 'standby'])
    await record()
    await expect.poll(() => leader.status().state, patience).toBe('paused')
    for (const { statusOf } of probes) expect(await statusOf('/healthz')).toBe(200)

    proxy.refuse(false)
    for (const { readiness } of probes) await expect.poll(readiness, patience).toMatchObject({ status: 200 })
    await leader.drain()

    proxy.hold()
    for (const { readiness } of probes)
      await expect
        .poll(readiness, patience)
        .toMatchObject({ status: 503, broker: expect.not.stringMatching('ok') })
    proxy.release()
    for (const { readiness } of probes) await expect.poll(readiness, patience).toMatchObject({ status: 200 })
  })

  it('that begins without its broker is not ready until that is there', async () => {
    const proxy = await NatsProxy.start(Number(new URL(natsUrl).port))
    onTestFinished(() => proxy.stop())
    proxy.refuse(true)
    const publisher = jetStreamPublisher({
      connection: () => connect({ servers: proxy.url, reconnect: false, timeout: 500 }),
      stream: { name: `HEALTH_LATE_${process.pid}`, create: true },
      publishTimeoutMs: 1000,
    })
    const relay = relayOf({ publisher })
    const { readiness } = await serve([relay])
    await relay.start()
    await expect.poll(readiness, patience).toMatchObject({ status: 503, broker: 'ERR_OUTBOX_UNAVAILABLE' })
    proxy.refuse(false)
    await expect.poll(readiness, patience).toMatchObject({ status: 200, broker: 'ok' })
  })
})

describe('the server', () => {
  const metrics = { contentType: 'text/plain; version=0.0.4', metrics: async () => 'up 1\n' }

  it('listens on loopback, and gives its pages to GET and HEAD', async () => {
    const { server, get } = await serve([], { metrics })
    expect(server.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/)
    expect(await get('/metrics?x=1')).toMatchObject({ status: 200, text: 'up 1\n' })
    expect((await get('/metrics')).headers.get('content-type')).toBe(metrics.contentType)
    const head = await get('/healthz', { method: 'HEAD' })
    expect([head.status, head.text, head.headers.get('content-length')]).toEqual([200, '', '14'])
    expect((await get('/')).status).toBe(404)
    expect((await get('/constructor')).status).toBe(404)
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS'])
      expect((await get('/healthz', { method })).status).toBe(405)
  })

  it('has no metrics unless it is given some', async () => {
    expect(await (await serve([])).statusOf('/metrics')).toBe(404)
  })

  it('does not say why metrics fail', async () => {
    const failing = { ...metrics, metrics: () => Promise.reject(new Error('secret')) }
    expect(await (await serve([], { metrics: failing })).get('/metrics')).toMatchObject({
      status: 500,
      text: 'failed\n',
    })
  })

  it('rejects when it cannot listen', async () => {
    const { server } = await serve([])
    const port = Number(new URL(server.url).port)
    await expect(startHealthServer({ relays: [], port })).rejects.toMatchObject({ code: 'EADDRINUSE' })
  })

  it('closes, whoever is still connected, and frees its port', async () => {
    const never = { ...metrics, metrics: () => new Promise<string>(() => {}) }
    const { server, get } = await serve([], { metrics: never })
    const port = Number(new URL(server.url).port)
    const idle = connectTcp(port, '127.0.0.1')
    idle.on('error', () => {})
    const scrape = get('/metrics').catch((error: Error) => error.message)
    await get('/healthz')
    await server.close()
    expect(await scrape).toBe('fetch failed')
    await server.close()
    await (await startHealthServer({ relays: [], port })).close()
  })
})
