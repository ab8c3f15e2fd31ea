import { sql } from 'drizzle-orm'
import { recordedEvents } from 'drizzle-outbox/testing'
import { expect, it } from 'vitest'
import { describeEachDriver, historyOf, Order, orderEvents, orders, rowsOf } from '../support/drivers.js'

const failing = (message = 'on purpose') => new Error(message)
const withCode = (code: string) => expect.objectContaining({ code })

describeEachDriver('savepoints', (shop) => {
  it('drops the events of a rolled-back savepoint, through whatever handle they came', async () => {
    const { db } = shop()
    const before = Order.place('sp-before')
    const inner = Order.place('sp-inner')
    await db.transaction(async (tx) => {
      tx.outbox.add(before)
      await tx
        .transaction(async (sp) => {
          await sp.insert(orders).values({ id: 'sp-inner', total: 1 })
          sp.outbox.add(inner)
          before.ship()
          tx.outbox.add(orderEvents.shipped('sp-outer-handle', { carrier: 'x' }))
          tx.outbox.metadata({ correlationId: 'rolled back' })
          throw failing()
        })
        .catch(() => {})
      await tx.transaction(async (sp) => {
        await sp.transaction(async (deeper) => deeper.outbox.add(Order.place('sp-kept')))
      })
    })
    expect(await historyOf(db, 'sp-before')).toEqual(['1 order.placed'])
    expect(await historyOf(db, 'sp-inner')).toEqual([])
    expect(await historyOf(db, 'sp-outer-handle')).toEqual([])
    expect(await historyOf(db, 'sp-kept')).toEqual(['1 order.placed'])
    expect((await recordedEvents(db)).some(({ metadata }) => metadata.correlationId === 'rolled back')).toBe(
      false,
    )
    // Ahead of the database: its "shipped" was rolled back.
    expect(() => before.ship()).toThrow(withCode('ERR_OUTBOX_AGGREGATE_STALE'))
    await expect(db.transaction(async (tx) => tx.outbox.add(before))).rejects.toEqual(
      withCode('ERR_OUTBOX_AGGREGATE_STALE'),
    )
    // What it recorded before the savepoint is only pending, and may be tried again.
    await db.transaction(async (tx) => tx.outbox.add(inner))
    expect(await historyOf(db, 'sp-inner')).toEqual(['1 order.placed'])
  })

  it('keeps its fence when the savepoint that put it up is rolled back', async () => {
    const { db } = shop()
    await db.transaction(async (tx) => {
      await tx
        .transaction(async (sp) => {
          sp.outbox.add(Order.place('fence-gone'))
          throw failing()
        })
        .catch(() => {})
      tx.outbox.add(Order.place('fence-anew'))
    })
    expect(await historyOf(db, 'fence-anew')).toEqual(['1 order.placed'])
  })

  it('refuses savepoints side by side, whose rollbacks nobody can tell apart', async () => {
    const { db } = shop()
    const run = db.transaction(async (tx) => {
      tx.outbox.add(Order.place('overlap'))
      let release = () => {}
      const gate = new Promise<void>((resolve) => {
        release = resolve
      })
      await Promise.all([
        tx.transaction(async () => gate),
        tx.transaction(async () => {
          setTimeout(release, 20)
          await gate
          await new Promise((resolve) => setTimeout(resolve, 50))
        }),
      ])
    })
    await expect(run).rejects.toEqual(withCode('ERR_OUTBOX_SAVEPOINTS_OVERLAP'))
    expect(await historyOf(db, 'overlap')).toEqual([])
  })

  it('refuses what was recorded in a savepoint that was rolled back, also when it is added only then', async () => {
    const { db } = shop()
    const order = new Order('afterwards')
    const run = db.transaction(async (tx) => {
      await tx
        .transaction(async () => {
          order.ship()
          throw failing()
        })
        .catch(() => {})
      tx.outbox.add(order)
    })
    await expect(run).rejects.toEqual(withCode('ERR_OUTBOX_AGGREGATE_STALE'))
    expect(await historyOf(db, 'afterwards')).toEqual([])
  })

  it('fail alone when a statement in them fails beside an aggregate that is added', async () => {
    const { db } = shop()
    await db.insert(orders).values({ id: 'taken', total: 1 })
    await db.transaction(async (tx) => {
      const failing = tx.transaction(async (savepoint) => {
        const insert = savepoint.insert(orders).values({ id: 'taken', total: 1 }).execute()
        insert.catch(() => {})
        await Promise.resolve()
        savepoint.outbox.add(orderEvents.shipped('in-savepoint', { carrier: 'x' }))
        await insert
      })
      await failing.catch(() => {})
      tx.outbox.add(orderEvents.shipped('after-savepoint', { carrier: 'x' }))
    })
    const result = await db.execute(sql`
      select aggregate_id from outbox_events where aggregate_id like '%-savepoint'`)
    expect(rowsOf(result)).toEqual([{ aggregate_id: 'after-savepoint' }])
  })
})
