/** To be acknowledged is not to be stored: settings of the stream. */
import { setTimeout as sleep } from 'node:timers/promises'
import {
  AckPolicy,
  DiscardPolicy,
  type JetStreamManager,
  jetstream,
  jetstreamManager,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
} from '@nats-io/jetstream'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { jetStreamPublisher } from 'drizzle-outbox/jetstream'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { PUBLISH_TIMEOUT_MS, STREAM } from '../../support/broker-world.js'
import { type Cause, itReactsTo } from '../../support/causes.js'
import { describeWithNatsServer, describeWithPrivateNats } from '../../support/private-nats.js'

const subjects = ['shop.>']

describeWithPrivateNats('a stream that acknowledges what it does not keep', (nats) => {
  let connection: NatsConnection
  let manager: JetStreamManager
  beforeEach(async () => {
    connection = await connect({ servers: nats().url, maxReconnectAttempts: -1, reconnectTimeWait: 20 })
    manager = await jetstreamManager(connection)
  })
  afterEach(async () => {
    await manager.streams.delete(STREAM).catch(() => {}) // lost with its server
    await connection.close()
  })
  const create = (config: Partial<StreamConfig>) => manager.streams.add({ name: STREAM, subjects, ...config })
  const publish = (id: string) => jetstream(connection).publish('shop.order.placed', 'x', { msgID: id })
  const held = async () => (await manager.streams.info(STREAM)).state.messages
  const prepare = () =>
    jetStreamPublisher({ connection, stream: { name: STREAM, allow: ['max-payload'] } }).prepare({
      leaseMs: 15_000,
      signal: new AbortController().signal,
    })

  it.each<[string, Partial<StreamConfig>, number]>([
    ['retention interest', { retention: RetentionPolicy.Interest }, 0],
    ['max_msgs_per_subject', { max_msgs_per_subject: 1 }, 1],
    ['discard old', { max_msgs: 1, discard: DiscardPolicy.Old }, 1],
    ['discard old', { max_bytes: 100, discard: DiscardPolicy.Old }, 1],
  ])('by %s is not published to', async (finding, config, kept) => {
    await create(config)
    for (const [index, id] of ['one', 'two', 'three'].entries())
      expect(await publish(id)).toMatchObject({ stream: STREAM, seq: index + 1 })
    expect(await held()).toBe(kept)
    await expect(prepare()).rejects.toMatchObject({
      code: 'ERR_OUTBOX_STREAM_UNFIT',
      details: { stream: STREAM, findings: [expect.stringContaining(finding)] },
    })
  })

  it('by retention workqueue is not published to: whoever reads a message takes it', async () => {
    await create({ retention: RetentionPolicy.Workqueue })
    await publish('one')
    await manager.consumers.add(STREAM, { durable_name: 'worker', ack_policy: AckPolicy.Explicit })
    const message = await (await jetstream(connection).consumers.get(STREAM, 'worker')).next()
    await message?.ackAck()
    expect(await held()).toBe(0)
    await expect(prepare()).rejects.toThrow(/retention workqueue/)
  })

  it('by memory storage is not published to: it does not outlive its server', async () => {
    await create({ storage: StorageType.Memory })
    await publish('one')
    await expect(prepare()).rejects.toThrow(/memory storage/)
    await nats().restart()
    await expect.poll(() => held().catch((error: Error) => error.message)).toBe('stream not found')
  })
})

/** Another setting, and time for the relay to look at it again: it does so before it publishes, now and then. */
function changed(finding: string, change: Partial<StreamConfig>, back: Partial<StreamConfig>): Cause {
  return {
    cause: `has ${finding}`,
    provoke: async ({ manager }) => {
      const { streams } = await manager()
      await streams.update(STREAM, change)
      await sleep(2 * PUBLISH_TIMEOUT_MS)
      return () => streams.update(STREAM, back)
    },
    class: 'unfit',
    relay: 'waits',
    operator: new RegExp(`stream SHOP .*${finding}`),
  }
}

describeWithNatsServer('a stream that under way', () => {
  itReactsTo([
    changed('max_msgs_per_subject', { max_msgs_per_subject: 100 }, { max_msgs_per_subject: -1 }),
    changed('discard old', { max_msgs: 100, discard: DiscardPolicy.Old }, { max_msgs: -1 }),
    changed('no_ack', { no_ack: true }, { no_ack: false }),
    changed('duplicate_window', { duplicate_window: 1e9 }, { duplicate_window: 120e9 }),
    {
      ...changed(
        'retention interest',
        { retention: RetentionPolicy.Interest },
        { retention: RetentionPolicy.Limits },
      ),
      since: '2.10',
      loses: true,
    },
  ])
})
