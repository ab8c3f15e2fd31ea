import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/node-postgres'
import { type TxOf, withOutbox } from 'drizzle-outbox'
import { recordedEvents } from 'drizzle-outbox/testing'
import pg from 'pg'
import { expect, it } from 'vitest'
import { describeEachDriver, Order, orders, type ShopDb } from '../support/drivers.js'
import { endPool, isNetworked } from '../support/outbox-databases.js'
import { freshDatabase } from '../support/servers.js'

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

it('a connection that was there before withOutbox does not end the process either', async () => {
  const { url, drop } = await freshDatabase()
  const client = new pg.Pool({ connectionString: url, max: 2 })
  await client.query('select 1')
  const db = withOutbox(drizzle({ client }), { source: '/shop' })
  const run = db.transaction(async (tx) => {
    await tx.execute(sql`select 1`)
    await killIdleInTransaction(url)
    await sleep(50)
  })
  await expect(run).rejects.toThrow()
  await endPool(client)
  await drop()
})

describeEachDriver('a connection lost in mid-transaction', (shop, driver) => {
  it.runIf(isNetworked(driver)).each([
    ['before the aggregate is added', false],
    ['after the aggregate is added', true],
  ])('%s leaves no event, rejects, and lets the process live', async (_, addedBefore) => {
    const { db, url, open } = shop()
    // One connection of postgres.js: others' work makes it connect anew, and there the rest of the callback goes.
    const fragile = open({}, { connections: driver === 'postgres.js' ? 1 : 2 })
    const order = Order.place(`lost-${addedBefore}`)
    let callback: Promise<void> = Promise.resolve()
    const place = async (tx: TxOf<ShopDb>) => {
      await tx.insert(orders).values({ id: order.id, total: 1 })
      if (addedBefore) tx.outbox.add(order)
      const others = fragile.execute(sql`select 1`)
      await killIdleInTransaction(url)
      await others
      if (!addedBefore) tx.outbox.add(order)
    }
    const run = fragile.transaction((tx) => {
      callback = place(tx)
      return callback
    })
    await expect(run).rejects.toThrow()
    await callback.catch(() => {}) // postgres.js lets it run on
    await sleep(50) // and whatever follows it
    expect((await recordedEvents(db)).map(({ aggregateId }) => aggregateId)).not.toContain(order.id)
    expect(order.pendingEvents).toHaveLength(1)

    await db.transaction(async (tx) => tx.outbox.add(order))
    expect((await recordedEvents(db)).filter(({ aggregateId }) => aggregateId === order.id)).toHaveLength(1)
  })
})
