/** Callbacks that outlive their transaction: whatever they still do must touch no other one. */
import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/node-postgres'
import { withOutbox } from 'drizzle-outbox'
import pg from 'pg'
import { expect, it } from 'vitest'
import { describeEachDriver, historyOf, Order, orders } from '../support/drivers.js'
import { endPool, isNetworked } from '../support/outbox-databases.js'

const failing = () => new Error('on purpose')

/** Something to wait for, and how to say that it has come. */
function signal() {
  let come = () => {}
  const here = new Promise<void>((resolve) => {
    come = resolve
  })
  return { here, come: () => come() }
}

describeEachDriver('a savepoint that outlives its transaction', (shop, driver) => {
  it.each(['fails', 'ends well'])(
    'and %s leaves the next transaction on its connection alone',
    async (how) => {
      const db = shop().open({}, { connections: 1 })
      const [inside, begun] = [signal(), signal()]
      let zombie: Promise<unknown> | undefined
      const first = db.transaction(async (tx) => {
        zombie = tx.transaction(async (sp) => {
          await sp.execute(sql`select 1`)
          inside.come()
          await begun.here
          if (how === 'fails') throw failing()
        })
        zombie.catch(() => {})
        await inside.here
        throw failing()
      })
      await expect(first).rejects.toThrow('on purpose')
      const id = `after a savepoint that ${how}`
      await db.transaction(async (tx) => {
        await tx.transaction(async (sp) => {
          await sp.insert(orders).values({ id, total: 1 })
          sp.outbox.add(Order.place(id))
          begun.come()
          await zombie?.catch(() => {})
          await sleep(20)
        })
      })
      expect(await db.execute(sql`select from orders where id = ${id}`)).toMatchObject(
        driver === 'postgres.js' ? { length: 1 } : { rows: [{}] },
      )
      expect(await historyOf(db, id)).toEqual(['1 order.placed'])
    },
  )

  it.runIf(isNetworked(driver))(
    'takes no event from the transaction that has its aggregate by then',
    async () => {
      const { db } = shop()
      const order = new Order('handed on', 0)
      const [inside, added, over] = [signal(), signal(), signal()]
      let zombie: Promise<unknown> | undefined
      const first = db.transaction(async (tx) => {
        zombie = tx.transaction(async (sp) => {
          order.ship()
          sp.outbox.add(order)
          inside.come()
          await added.here
          await sp.execute(sql`select 2`)
        })
        zombie.catch(() => {})
        await inside.here
        throw failing()
      })
      await expect(first).rejects.toThrow('on purpose')
      const second = db.transaction(async (tx) => {
        await tx.insert(orders).values({ id: order.id, total: 1 })
        tx.outbox.add(order)
        added.come()
        await over.here
      })
      await zombie?.catch(() => {})
      over.come()
      await second
      expect(await historyOf(db, order.id)).toEqual(['1 order.shipped'])
      expect(order.pendingEvents).toEqual([])
    },
  )
})

describeEachDriver('a connection with an unanswered ROLLBACK', (shop, driver) => {
  it.runIf(driver === 'node-postgres')(
    'is not given to the next transaction, which would commit it',
    async () => {
      const pool = new pg.Pool({ connectionString: shop().url, max: 1, query_timeout: 200 })
      const db = withOutbox(drizzle({ client: pool }), { source: '/shop' })
      await db.transaction(async (tx) => tx.outbox.add(Order.place('timed out')))
      const holder = new pg.Client({ connectionString: shop().url })
      await holder.connect()
      await holder.query('begin; select from outbox_aggregates for update')

      const order = new Order('timed out')
      order.ship()
      const run = db.transaction(async (tx) => {
        await tx.insert(orders).values({ id: 'timed out', total: 1 })
        tx.outbox.add(order)
      })
      await expect(run).rejects.toThrow()
      await holder.query('rollback')
      await db.transaction(async (tx) => tx.insert(orders).values({ id: 'next', total: 1 }))
      const { rows } = await holder.query(`select id from orders where id in ('timed out', 'next')`)
      expect(rows).toEqual([{ id: 'next' }])
      await db.transaction(async (tx) => tx.outbox.add(order))
      expect(await historyOf(shop().db, 'timed out')).toEqual(['1 order.placed', '2 order.shipped'])
      await holder.end()
      await endPool(pool)
    },
  )
})
