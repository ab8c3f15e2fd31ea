/** A connection that dies while BEGIN runs: Drizzle 0.45 never gives it back to node-postgres' pool. */
import { sql } from 'drizzle-orm'
import { expect, it } from 'vitest'
import { describeEachShakyDriver, Order } from '../support/drivers.js'

describeEachShakyDriver('a connection lost in BEGIN', (shop) => {
  it.each(['statement', 'answer'] as const)('leaves the pool its place, lost at the %s', async (at) => {
    const { proxy, openShaky } = shop()
    const db = openShaky({ connections: 1 })
    for (let attempt = 0; attempt < 3; attempt++) {
      proxy.setTrap({ statement: /begin/, at, spring: async (wire) => wire.cut() })
      await expect(db.transaction(async () => {})).rejects.toMatchObject({
        code: 'ERR_OUTBOX_TRANSACTION_LOST',
      })
    }
    await db.transaction(async (tx) => tx.outbox.add(Order.place(`after-${at}`)))
    await db.execute(sql`select 1`)
  })
})
