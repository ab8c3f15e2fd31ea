import { randomUUID } from 'node:crypto'
import { recordedEvents } from 'drizzle-outbox/testing'
import { expect, it } from 'vitest'
import { appendEvents } from '../../src/event-log/append.js'
import { holdsFence, setFence } from '../../src/event-log/fence.js'
import type { NewEvent } from '../../src/event-log/new-event.js'
import { describeEachDriver } from '../support/drivers.js'

const eventOf = (aggregateId: string): NewEvent => ({
  id: randomUUID(),
  aggregateType: 'order',
  aggregateId,
  type: 'order.placed',
  schemaVersion: 1,
  occurredAt: new Date(),
  data: '{"total":1}',
  metadata: {},
})

describeEachDriver('the fence of a transaction', (shop) => {
  const idsInLog = async () => (await recordedEvents(shop().db)).map(({ aggregateId }) => aggregateId)

  it('lets events of its own transaction into the log, and no others', async () => {
    const { db } = shop()
    const [mine, other] = [randomUUID(), randomUUID()]
    await db.transaction(async (tx) => {
      await setFence(tx, mine)
      expect((await appendEvents(tx, [eventOf('of another transaction')], other)).size).toBe(0)
      expect((await appendEvents(tx, [eventOf('mine')], mine)).size).toBe(1)
      expect(await holdsFence(tx, mine)).toBe(true)
      expect(await holdsFence(tx, other)).toBe(false)
    })
    expect(await idsInLog()).toEqual(['mine'])
  })

  it('is not there outside a transaction, however late or early it is asked for', async () => {
    const { db } = shop()
    const value = randomUUID()
    await setFence(db, value) // no transaction: has no effect
    expect((await appendEvents(db, [eventOf('committed by itself')], value)).size).toBe(0)
    await db.transaction(async (tx) => {
      expect((await appendEvents(tx, [eventOf('in the next transaction')], value)).size).toBe(0)
    })
    expect(await idsInLog()).toEqual(['mine'])
  })

  it('goes with the savepoint it was put up in', async () => {
    const { db } = shop()
    const value = randomUUID()
    await db.transaction(async (tx) => {
      await tx
        .transaction(async (savepoint) => {
          await setFence(savepoint, value)
          throw new Error('on purpose')
        })
        .catch(() => {})
      expect(await holdsFence(tx, value)).toBe(false)
    })
  })
})
