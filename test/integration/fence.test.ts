import { randomUUID } from 'node:crypto'
import { sql } from 'drizzle-orm'
import { recordedEvents } from 'drizzle-outbox/testing'
import { expect, it } from 'vitest'
import { appendEvents } from '../../src/event-log/append.js'
import type { Database } from '../../src/event-log/database.js'
import { fenceStatement, holdsFence } from '../../src/event-log/fence.js'
import type { NewEvent } from '../../src/event-log/new-event.js'
import { resolveTables } from '../../src/event-log/tables.js'
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

const logOf = (db: Database) => ({ db, tables: resolveTables() })
const setFence = (db: Database, value: string) => db.execute(sql.raw(fenceStatement(value)))

/** How many aggregates an append has changed. */
async function append(db: Database, aggregateId: string, fence: string): Promise<number> {
  return (await appendEvents(logOf(db), [eventOf(aggregateId)], fence)).heads.size
}

describeEachDriver('the fence of a transaction', (shop) => {
  const idsInLog = async () => (await recordedEvents(shop().db)).map(({ aggregateId }) => aggregateId)

  it('lets events of its own transaction into the log, and no others', async () => {
    const { db } = shop()
    const [mine, other] = [randomUUID(), randomUUID()]
    await db.transaction(async (tx) => {
      await setFence(tx, mine)
      expect(await append(tx, 'of another transaction', other)).toBe(0)
      expect(await append(tx, 'mine', mine)).toBe(1)
      expect(await holdsFence(logOf(tx), mine)).toBe(true)
      expect(await holdsFence(logOf(tx), other)).toBe(false)
    })
    expect(await idsInLog()).toEqual(['mine'])
  })

  it('is not there outside a transaction, however late or early it is asked for', async () => {
    const { db } = shop()
    const value = randomUUID()
    await setFence(db, value) // no transaction: has no effect
    expect(await append(db, 'committed by itself', value)).toBe(0)
    await db.transaction(async (tx) => {
      expect(await append(tx, 'in the next transaction', value)).toBe(0)
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
      expect(await holdsFence(logOf(tx), value)).toBe(false)
    })
  })
})
