import { sql } from 'drizzle-orm'
import { recordedEvents } from 'drizzle-outbox/testing'
import pg from 'pg'
import { expect, it } from 'vitest'
import { describeEachDriver, Order, orders, type ShopDb } from '../support/drivers.js'

/** Ends every backend that is in a transaction and waits for its client. */
async function killIdleInTransaction(url: string): Promise<void> {
  const admin = new pg.Client({ connectionString: url })
  await admin.connect()
  const killed = () =>
    admin.query(`
      select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and state = 'idle in transaction' and pid <> pg_backend_pid()`)
  await expect.poll(async () => (await killed()).rowCount).toBeGreaterThan(0)
  await admin.end()
}

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

describeEachDriver('a connection lost in mid-transaction', (shop, driver) => {
  it.each([
    ['before the aggregate is added', false],
    ['after the aggregate is added', true],
  ])('%s leaves no event, rejects, and lets the process live', async (_, addedBefore) => {
    const { db, url } = shop()
    const order = Order.place(`lost-${addedBefore}`)
    let others: Promise<unknown> = Promise.resolve()
    const run = db.transaction(async (tx) => {
      await tx.insert(orders).values({ id: order.id, total: 1 })
      if (addedBefore) tx.outbox.add(order)
      await sleep(20)
      await killIdleInTransaction(url)
      // Work of others makes postgres.js connect anew, and the rest of this callback goes there.
      others = Promise.allSettled(Array.from({ length: 20 }, () => db.execute(sql`select pg_sleep(0.01)`)))
      await sleep(100)
      if (!addedBefore) tx.outbox.add(order)
    })
    await expect(run).rejects.toThrow()
    await others
    await sleep(100)
    expect(await idsInLog(db)).not.toContain(order.id)
    expect(order.pendingEvents).toHaveLength(1)
  })

  it('leaves the pool usable', async () => {
    const { db } = shop()
    await db.transaction(async (tx) => tx.outbox.add(Order.place('afterwards')))
    expect(await idsInLog(db)).toContain('afterwards')
    expect(driver).toBeTypeOf('string')
  })
})

async function idsInLog(db: ShopDb): Promise<string[]> {
  return (await recordedEvents(db)).map(({ aggregateId }) => aggregateId)
}
