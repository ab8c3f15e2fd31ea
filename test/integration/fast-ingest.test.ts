import { jetstreamManager } from '@nats-io/jetstream'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { createRelay, type RelayOptions } from 'drizzle-outbox'
import { type JetStreamPublisherOptions, jetStreamPublisher } from 'drizzle-outbox/jetstream'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { knowsFastIngest } from '../../src/publishers/jetstream/fast-ingest.js'
import { openShop, orderEvents, type Shop } from '../support/drivers.js'
import { describeWithNats } from '../support/servers.js'
import { readStream } from '../support/stream.js'

describe('knowsFastIngest', () => {
  it.each([
    ['2.14.0', true],
    ['2.15.1', true],
    ['3.0.0', true],
    ['2.9.10', false],
    ['2.12.0', false],
    ['', false],
  ])('of a server %s is %s', (version, expected) => expect(knowsFastIngest(version)).toBe(expected))
})

describeWithNats('pages of few aggregates', (natsUrl) => {
  let connection: NatsConnection
  let shop: Shop
  let stream: string
  let streams = 0
  let fast: boolean
  beforeAll(async () => {
    connection = await connect({ servers: natsUrl })
    fast = knowsFastIngest(connection.info?.version)
    shop = await openShop('node-postgres')
  })
  afterAll(async () => {
    await connection.close()
    await shop.close()
  })
  beforeEach(() => {
    stream = `HOT_${process.pid}_${++streams}`
  })

  const relayOf = (options: Partial<JetStreamPublisherOptions> = {}, relay: Partial<RelayOptions> = {}) => {
    const publisher = jetStreamPublisher({ connection, stream: { name: stream, create: true }, ...options })
    return createRelay({ db: shop.db, name: stream, publisher, batchSize: 100, minBackoffMs: 10, ...relay })
  }
  const record = (count: number, aggregates: number, carrier = (i: number) => String(i)) =>
    shop.db.transaction(async (tx) => {
      for (let i = 0; i < count; i++)
        tx.outbox.add(orderEvents.shipped(`${stream}-${i % aggregates}`, { carrier: carrier(i) }))
    })
  /** What the stream holds of this test's aggregates: versions, by aggregate. */
  const stored = async () => {
    const versions = new Map<string, number[]>()
    for (const { ce } of await readStream(connection, stream))
      if (ce.subject?.startsWith(stream))
        versions.set(ce.subject, [...(versions.get(ce.subject) ?? []), Number(ce.sequence)])
    return versions
  }
  const upTo = (count: number) => Array.from({ length: count }, (_, i) => i + 1)

  it('go as batches where the server can, and are in order, and others beside them', async () => {
    await relayOf().drain()
    await record(450, 3)
    await record(200, 100)
    await record(150, 3)
    const relay = relayOf()
    const modes = new Set<unknown>()
    relay.on('published', () => modes.add(relay.status().publisher.mode))
    await relay.drain()
    const versions = await stored()
    for (const [id, all] of versions) expect(all, id).toEqual(upTo(all.length))
    expect([...versions.values()].flat()).toHaveLength(800)
    expect(modes.has('fast ingest')).toBe(fast)
    expect(modes.has('pipelined')).toBe(true)
  })

  it('go one by one where the stream does not allow batches', async () => {
    const manager = await jetstreamManager(connection)
    await manager.streams.add({ name: stream, subjects: [`${stream.toLowerCase()}.>`] })
    await record(200, 2)
    const relay = relayOf()
    await relay.drain()
    expect(relay.status().publisher).toMatchObject({ ordering: 'aggregate', mode: 'pipelined' })
    expect([...(await stored()).values()]).toEqual([upTo(100), upTo(100)])
  })

  it('hold back the aggregate of an event that is refused in mid-batch, and no other', async () => {
    const manager = await jetstreamManager(connection)
    await relayOf({
      stream: { name: stream, create: { max_msg_size: 40_000 }, allow: ['max-payload'] },
    }).drain()
    await record(80, 2, (i) => (i === 41 ? 'x'.repeat(50_000) : String(i)))
    const relay = relayOf({ stream: { name: stream, allow: ['max-payload'] } })
    const refused: string[] = []
    relay.on('refused', ({ error }) => refused.push(error.message))
    await relay.start()
    await expect.poll(() => refused.length).toBeGreaterThan(1)
    expect([...(await stored()).values()]).toEqual([upTo(40), upTo(20)])
    await manager.streams.update(stream, { max_msg_size: 100_000 })
    await relay.drain()
    await relay.stop()
    expect([...(await stored()).values()]).toEqual([upTo(40), upTo(40)])
  })

  it('store nothing twice when the connection is lost in mid-batch', async () => {
    await relayOf().drain()
    await record(2000, 2)
    const connections: NatsConnection[] = []
    const open = async () => {
      const made = await connect({ servers: natsUrl })
      connections.push(made)
      return made
    }
    const relay = relayOf({ connection: open }, { batchSize: 1000 })
    let cuts = 0
    relay.on('published', () => {
      if (cuts++ < 3) void connections.at(-1)?.close()
    })
    await relay.drain()
    const versions = [...(await stored()).values()]
    expect(versions).toEqual([upTo(1000), upTo(1000)])
  })
})
