/** To be acknowledged is not to be stored: duplicates of what is gone. */
import { type JetStreamManager, jetstream, jetstreamManager, RetentionPolicy } from '@nats-io/jetstream'
import { connect, headers, type NatsConnection } from '@nats-io/transport-node'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { verifyDuplicate } from '../../../src/publishers/jetstream/duplicates.js'
import { PubAckReader } from '../../../src/publishers/jetstream/pub-ack.js'
import { STREAM } from '../../support/broker-world.js'
import { type Cause, itReactsTo } from '../../support/causes.js'
import { describeWithNatsServer, describeWithPrivateNats } from '../../support/private-nats.js'

const LEASE_MS = 2000
const WINDOW_MS = 2500

/** Events are stored, the relay does not hear of it, and they are removed before it publishes them again. */
function removed(
  remove: (manager: JetStreamManager, from: number) => Promise<unknown>,
): Omit<Cause, 'cause'> {
  return {
    given: {
      leaseMs: LEASE_MS,
      publisher: {
        stream: { name: STREAM, create: { subjects: ['shop.>'], duplicate_window: WINDOW_MS * 1e6 } },
      },
    },
    provoke: async (world) => {
      const manager = await world.manager()
      const lastSequence = async () => (await manager.streams.info(STREAM)).state.last_seq
      const before = await lastSequence()
      world.proxy.loseAcks(true)
      await world.record()
      await expect.poll(lastSequence).toBe(before + 3) // the first of each aggregate: the others wait
      await remove(manager, before + 1)
      world.proxy.loseAcks(false)
      return () => {}
    },
    class: 'unavailable',
    relay: 'recovers',
    operator: /event .* was deduplicated against message \d+ of stream SHOP, which is gone; it can be stored/,
  }
}

describeWithNatsServer('an event that is taken for a duplicate of a message', () => {
  itReactsTo([
    {
      cause: 'that was deleted',
      ...removed((manager, sequence) => manager.streams.deleteMessage(STREAM, sequence)),
    },
    { cause: 'that was purged', ...removed((manager) => manager.streams.purge(STREAM)), loses: true },
  ])
})

describeWithPrivateNats('a duplicate', (nats) => {
  let connection: NatsConnection
  let manager: JetStreamManager
  beforeEach(async () => {
    connection = await connect({ servers: nats().url })
    manager = await jetstreamManager(connection)
  })
  afterEach(async () => {
    await manager.streams.delete(STREAM)
    await connection.close()
  })
  const gone = { code: 'ERR_OUTBOX_UNAVAILABLE', message: expect.stringContaining('which is gone') }

  it('is one when the message is there and has the id of the event', async () => {
    await manager.streams.add({ name: STREAM, subjects: ['shop'] })
    for (const msgID of ['one', 'two']) await jetstream(connection).publish('shop', 'x', { msgID })
    expect(await verifyDuplicate(manager, STREAM, 1, 'one')).toEqual({ seq: 1, duplicate: true })
    expect(await verifyDuplicate(manager, STREAM, 2, 'one')).toMatchObject(gone)
    await manager.streams.deleteMessage(STREAM, 1)
    expect(await verifyDuplicate(manager, STREAM, 1, 'one')).toMatchObject(gone)
    expect(await verifyDuplicate(manager, STREAM, 7, 'one')).toMatchObject(gone)
  })

  it('is none when nobody can tell', async () => {
    expect(await verifyDuplicate(manager, STREAM, 1, 'one')).toMatchObject({
      code: 'ERR_OUTBOX_UNAVAILABLE',
      message: `cannot look at message 1 of stream ${STREAM}: stream not found`,
    })
    await manager.streams.add({ name: STREAM, subjects: ['shop'] })
  })

  it('of no message is none: a stream that kept nothing gives it the sequence 0, or one that it does not hold', async () => {
    await manager.streams.add({ name: STREAM, subjects: ['shop'], retention: RetentionPolicy.Interest })
    const publish = () => {
      const ids = headers()
      ids.set('Nats-Msg-Id', 'one')
      return connection.request('shop', 'x', { headers: ids, timeout: 1000 })
    }
    // Which is why such streams are refused:
    expect(new PubAckReader(STREAM).read(await publish(), 'one')).toEqual({ seq: 1, duplicate: false })
    const again = new PubAckReader(STREAM).read(await publish(), 'one')
    if ('code' in again) expect(again).toMatchObject({ code: 'ERR_OUTBOX_UNAVAILABLE' })
    else expect(await verifyDuplicate(manager, STREAM, again.seq, 'one')).toMatchObject(gone)
  })
})
