import { setTimeout as sleep } from 'node:timers/promises'
import { type JetStreamClient, jetstream, jetstreamManager } from '@nats-io/jetstream'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { NatsProxy } from '../support/nats-proxy.js'
import { describeWithPrivateNats } from '../support/private-nats.js'

describeWithPrivateNats('a proxy in front of NATS', (nats) => {
  let proxy: NatsProxy
  let through: NatsConnection
  let direct: NatsConnection
  let client: JetStreamClient
  beforeEach(async () => {
    proxy = await NatsProxy.start(nats().port)
    through = await connect({ servers: proxy.url, maxReconnectAttempts: -1, reconnectTimeWait: 10 })
    direct = await connect({ servers: nats().url })
    const { streams } = await jetstreamManager(direct)
    await streams.add({ name: 'PROXIED', subjects: ['proxied'] })
    await streams.purge('PROXIED')
    client = jetstream(through)
  })
  afterEach(async () => {
    await Promise.all([through.close(), direct.close()])
    await proxy.stop()
  })

  const stored = async () => {
    const { state } = await (await jetstreamManager(direct)).streams.info('PROXIED')
    return state.messages
  }
  const publish = (timeout = 20_000) => client.publish('proxied', 'x'.repeat(100_000), { timeout })
  /** What is answered in time, or not at all. */
  const publishShortly = () => publish(300)

  test('lets everything through until it is told not to', async () => {
    await Promise.all(Array.from({ length: 50 }, () => publish()))
    expect(await stored()).toBe(50)
  })

  test('cuts, and refuses while it is told to', async () => {
    proxy.refuse(true)
    await expect(connect({ servers: proxy.url, reconnect: false })).rejects.toThrow()
    proxy.refuse(false)
    await expect.poll(publishShortly).toMatchObject({ stream: 'PROXIED' })
    proxy.cutAll()
    await expect.poll(publishShortly).toMatchObject({ stream: 'PROXIED' })
  })

  test('delays', async () => {
    proxy.delay(200)
    await expect(publishShortly()).rejects.toThrow('timeout')
    await expect.poll(stored).toBe(1)
    proxy.delay(0)
    await expect.poll(publishShortly).toMatchObject({ seq: expect.any(Number) })
  })

  test.each([
    ['toServer', 0],
    ['toClient', 1],
  ] as const)('holds back what goes %s, and delivers it in the end', async (way, storedMeanwhile) => {
    proxy.hold(way)
    await expect(publishShortly()).rejects.toThrow('timeout')
    await expect.poll(stored).toBe(storedMeanwhile)
    proxy.release()
    await expect.poll(stored).toBe(1)
    await publish()
  })

  test('ends, though it holds back', async () => {
    proxy.hold()
    await expect(publishShortly()).rejects.toThrow('timeout')
    await proxy.stop()
    proxy = await NatsProxy.start(nats().port)
  })

  test('leaves connections half open, and later ones work', async () => {
    proxy.halfOpen()
    await expect(publishShortly()).rejects.toThrow('timeout')
    await sleep(50)
    expect(through.isClosed()).toBe(false)
    const later = await connect({ servers: proxy.url })
    await jetstream(later).publish('proxied')
    await later.close()
    expect(await stored()).toBe(1)
  })

  test('loses acknowledgements alone', async () => {
    proxy.loseAcks(true)
    await expect(publishShortly()).rejects.toThrow('timeout')
    await through.flush()
    expect((await (await jetstreamManager(through)).streams.info('PROXIED')).state.messages).toBe(1)
    proxy.loseAcks(false)
    expect(await publish()).toMatchObject({ seq: expect.any(Number) })
  })
})
