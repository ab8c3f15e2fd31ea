/** What a publisher must not do with a page: let it overtake one that could not go, or take it for a relay of the past. */
import { setTimeout as sleep } from 'node:timers/promises'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import type { Publisher, RecordedEvent } from 'drizzle-outbox'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { NatsProxy } from '../support/nats-proxy.js'
import { describeWithPrivateNats } from '../support/private-nats.js'
import { orderings } from './publishing/campaign.js'
import { Stage } from './publishing/stage.js'

describeWithPrivateNats('a publisher', (nats) => {
  let stage: Stage
  let proxy: NatsProxy
  let connection: NatsConnection
  beforeEach(async () => {
    stage = await Stage.set(nats())
    proxy = await NatsProxy.start(nats().port)
    connection = await connect({ servers: proxy.url, maxReconnectAttempts: -1, reconnectTimeWait: 20 })
  })
  afterEach(async () => {
    await connection.close()
    await proxy.stop()
    await stage.clear()
  })
  const { signal } = new AbortController()
  const publishing = { signal, maySend: () => true, fresh: true, outcomesSeen: false }
  const isConnected = () =>
    connection.rtt().then(
      () => true,
      () => false,
    )

  describe.each(orderings)('with ordering %s', (ordering) => {
    let publisher: Publisher
    beforeEach(async () => {
      publisher = stage.publisher({ ordering, connection })
      await publisher.prepare({ leaseMs: 2000, signal })
      await publisher.recover!({ state: undefined, unsettled: false, signal })
    })
    afterEach(() => publisher.close())

    /** The first ten events, while it is disconnected; then it is connected again. */
    async function publishInVain(): Promise<readonly RecordedEvent[]> {
      await stage.write(20)
      const events = await stage.events()
      proxy.refuse(true)
      await expect.poll(isConnected).toBe(false)
      const { unavailable } = await publisher.publish(events.slice(0, 10), publishing)
      expect(unavailable).toBeDefined()
      proxy.refuse(false)
      await expect.poll(isConnected).toBe(true)
      await sleep(50)
      return events
    }

    it('publishes nothing after a page that could not go, until it looks again', async () => {
      const events = await publishInVain()
      const next = await publisher.publish(events.slice(10), publishing)
      expect(next.unacknowledged).toHaveLength(10)
      expect(await stage.stored()).toEqual([])
      await publisher.prepare({ leaseMs: 2000, signal })
      expect(await publisher.publish(events, publishing)).toMatchObject({ unacknowledged: [] })
      expect(await stage.stored()).toEqual(await stage.logged())
    })

    it.each(['prepare', 'recover'] as const)('begins nothing when %s was given up', async (method) => {
      const events = await publishInVain()
      const given = new AbortController()
      proxy.hold('toClient')
      const looking =
        method === 'prepare'
          ? publisher.prepare({ leaseMs: 2000, signal: given.signal })
          : publisher.recover!({ state: undefined, unsettled: true, signal: given.signal })
      const outcome = expect(looking).rejects.toThrow('given up')
      given.abort(new Error('given up'))
      proxy.release()
      await outcome
      const next = await publisher.publish(events.slice(10), publishing)
      expect(next.unacknowledged).toHaveLength(10)
      expect(await stage.stored()).toEqual([])
    })

    it('takes no page of a relay that has given up', async () => {
      await stage.write(20)
      const events = await stage.events()
      const given = new AbortController()
      given.abort()
      const late = publisher.publish(events.slice(0, 10), { ...publishing, signal: given.signal })
      const next = publisher.publish(events.slice(10), publishing)
      expect((await late).unacknowledged).toHaveLength(10)
      expect(await next).toMatchObject({ unacknowledged: [] })
      expect(await stage.stored()).toEqual((await stage.logged()).slice(10))
    })
  })
})
