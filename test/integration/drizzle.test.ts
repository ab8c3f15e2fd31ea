/** What Drizzle offers besides: transaction configuration, relational queries, replicas. */
import { eq, sql } from 'drizzle-orm'
import { withReplicas } from 'drizzle-orm/pg-core'
import { npmVersion } from 'drizzle-orm/version'
import { createRelay, memoryPublisher, type TxOf, withOutbox } from 'drizzle-outbox'
import { recordedEvents } from 'drizzle-outbox/testing'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { sqlState } from '../../src/event-log/database.js'
import {
  describeEachDriver,
  historyOf,
  items,
  Order,
  openShop,
  orderEvents,
  orders,
  rowsOf,
  type ShopDb,
} from '../support/drivers.js'
import { type RelationalDb, readsOf, relational } from '../support/drizzle-lines.js'

const levels = ['read uncommitted', 'read committed', 'repeatable read', 'serializable'] as const

/** What the transaction is at the moment. */
async function settingsOf(tx: TxOf<ShopDb>) {
  const result = await tx.execute<Record<'level' | 'readOnly' | 'deferrable', string>>(sql`
    select current_setting('transaction_isolation') as level,
      current_setting('transaction_read_only') as "readOnly",
      current_setting('transaction_deferrable') as deferrable`)
  return rowsOf(result)[0]
}

const READ_ONLY_TRANSACTION = '25006'

it('is of the line that the project says', () => {
  expect(npmVersion.startsWith(`${process.env.OUTBOX_TEST_DRIZZLE}.`)).toBe(true)
})

describeEachDriver("Drizzle's own", (shop, driver) => {
  describe('configuration of a transaction', () => {
    it.each(levels)('sets isolation level %s', async (isolationLevel) => {
      const { db } = shop()
      const seen = await db.transaction(
        async (tx) => {
          tx.outbox.add(Order.place(isolationLevel))
          const before = await settingsOf(tx)
          await tx.insert(orders).values({ id: isolationLevel, total: 1 })
          return [before?.level, (await settingsOf(tx))?.level]
        },
        { isolationLevel },
      )
      expect(seen).toEqual([isolationLevel, isolationLevel])
      expect(await historyOf(db, isolationLevel)).toEqual(['1 order.placed'])
    })

    it('keeps a transaction read-only, which is good as long as nothing is recorded in it', async () => {
      const { db } = shop()
      const hook = vi.fn()
      const seen = await db.transaction(
        async (tx) => {
          tx.outbox.afterCommit(hook)
          expect(await tx.outbox.versionOf(orderEvents, 'nobody')).toBe(0)
          return settingsOf(tx)
        },
        { accessMode: 'read only' },
      )
      expect(seen?.readOnly).toBe('on')
      expect(hook).toHaveBeenCalledOnce()

      const order = Order.place('in a read-only transaction')
      const failing = db.transaction(
        async (tx) => {
          tx.outbox.add(order)
          tx.outbox.afterCommit(hook)
        },
        { accessMode: 'read only' },
      )
      expect(sqlState(await failing.catch((error) => error))).toBe(READ_ONLY_TRANSACTION)
      expect(hook).toHaveBeenCalledOnce()
      expect(await historyOf(db, order.id)).toEqual([])
      expect(order.pendingEvents).toHaveLength(1)
      await db.transaction(async (tx) => tx.outbox.add(order))
      expect(await historyOf(db, order.id)).toEqual(['1 order.placed'])
    })

    it('defers a transaction that is serializable and read-only', async () => {
      const seen = await shop().db.transaction(settingsOf, {
        isolationLevel: 'serializable',
        accessMode: 'read only',
        deferrable: true,
      })
      expect(seen).toEqual({ level: 'serializable', readOnly: 'on', deferrable: 'on' })
    })

    it('can be set by a statement, also after an event was added', async () => {
      const { db } = shop()
      const level = await db.transaction(async (tx) => {
        tx.outbox.add(Order.place('set by a statement'))
        await tx.execute(sql`set transaction isolation level serializable`)
        await tx.insert(orders).values({ id: 'set by a statement', total: 1 })
        return (await settingsOf(tx))?.level
      })
      expect(level).toBe('serializable')
      expect(await historyOf(db, 'set by a statement')).toEqual(['1 order.placed'])
    })
  })

  it('relational queries see what the transaction wrote', async () => {
    const db = shop().open({}, { config: relational }) as unknown as RelationalDb
    const withItems = [{ id: 'with-items', total: 2, items: [{ orderId: 'with-items', name: 'tea' }] }]
    const find = async (from: Pick<RelationalDb, 'query'>) => {
      const all = await from.query.orders.findMany({ with: { items: true } })
      return all.filter(({ id }) => id === 'with-items')
    }
    const rolledBack = db.transaction(async (tx) => {
      tx.outbox.add(Order.place('with-items'))
      await tx.insert(orders).values({ id: 'with-items', total: 2 })
      await tx.transaction(async (savepoint) => {
        await savepoint.insert(items).values({ orderId: 'with-items', name: 'tea' })
        expect(await find(savepoint)).toEqual(withItems)
      })
      expect(await find(tx)).toEqual(withItems)
      throw new Error('on purpose')
    })
    await expect(rolledBack).rejects.toThrow('on purpose')
    expect(await find(db)).toEqual([])
  })

  it('client is found for a relay that listens', async () => {
    const { db, open } = shop()
    const publisher = memoryPublisher()
    const never = { minPollMs: 600_000, maxPollMs: 600_000 }
    const relay = createRelay({ db, publisher, name: 'listens', listen: true, ...never })
    onTestFinished(() => relay.stop({ timeoutMs: 100 }))
    await relay.start()
    await expect.poll(() => relay.status()).toMatchObject({ listening: true, state: 'idle' })
    await open({ notify: true }).transaction(async (tx) => tx.outbox.add(Order.place('told')))
    await expect.poll(() => publisher.published.map(({ subject }) => subject)).toContain('told')
  })

  it('replicas are read from, while transactions and the relay are with the primary', async () => {
    const replica = await openShop(driver)
    onTestFinished(() => replica.close())
    await replica.db.insert(orders).values({ id: 'replicated', total: 1 })
    const [primary, copy] = [shop().connect(), replica.connect()]
    const db = withOutbox(withReplicas(primary, [copy]), { source: '/shop' })

    await db.transaction(async (tx) => {
      tx.outbox.add(Order.place('replicated'))
      await tx.insert(orders).values({ id: 'replicated', total: 2 })
      const [own] = await tx.select().from(orders).where(eq(orders.id, 'replicated'))
      expect(own?.total).toBe(2)
    })
    const [read] = await readsOf(db).select().from(orders).where(eq(orders.id, 'replicated'))
    expect(read?.total).toBe(1)
    expect(db.$primary).toBe(primary)
    expect(db.$replicas).toEqual([copy])

    expect(await historyOf(shop().db, 'replicated')).toEqual(['1 order.placed'])
    expect(await recordedEvents(replica.db)).toEqual([])
    const publisher = memoryPublisher()
    await createRelay({ db, publisher, name: 'beside-replicas' }).drain()
    expect(publisher.published.map(({ subject }) => subject)).toContain('replicated')
  })
})
