import { sql } from 'drizzle-orm'
import { expect, it } from 'vitest'
import { sqlState } from '../../src/event-log/database.js'
import { describeEachDriver, historyOf, orderEvents, rowsOf } from '../support/drivers.js'

describeEachDriver('the flush', (shop, driver) => {
  const flush = (db = shop().db) =>
    db.transaction(async (tx) => tx.outbox.add(orderEvents.shipped('1', { carrier: 'x' })))

  it.runIf(driver !== 'PGlite')('is prepared on a connection of our own', async () => {
    const db = shop().open({}, { connections: 1 })
    for (let i = 0; i < 3; i++) await flush(db)
    const prepared = await db.execute<{ count: string }>(
      sql`select count(*)::text as count from pg_prepared_statements where statement like '%outbox_aggregates%'`,
    )
    expect(rowsOf(prepared)).toEqual([{ count: '1' }])
  })

  it('works again after somebody has thrown its prepared statements away', async () => {
    const db = shop().open({}, { connections: 1 })
    for (let i = 0; i < 2; i++) await flush(db)
    const before = (await historyOf(db, '1')).length
    await db.execute(sql`deallocate all`)
    const first = await flush(db).then(
      () => undefined,
      (error) => sqlState(error),
    )
    expect(first).toBe(driver === 'PGlite' ? undefined : '26000')
    for (let i = 0; i < 3; i++) await flush(db)
    expect(await historyOf(db, '1')).toHaveLength(before + (first === undefined ? 4 : 3))
  })
})
