/** What a transaction refuses once it has ended: in a pool, its connection may be in somebody else's by then. */
import { setTimeout as sleep } from 'node:timers/promises'
import { eq, sql } from 'drizzle-orm'
import type { TxOf } from 'drizzle-outbox'
import { expect, it } from 'vitest'
import { describeEachDriver, historyOf, Order, orderEvents, orders, type ShopDb } from '../support/drivers.js'
import { relational } from '../support/drizzle-lines.js'

type Tx = TxOf<ShopDb>
const ended = expect.objectContaining({ code: 'ERR_OUTBOX_TRANSACTION_ENDED' })

describeEachDriver('a transaction that has ended', (shop, driver) => {
  async function leak(end: 'commit' | 'rollback', db = shop().db): Promise<Tx> {
    let leaked: Tx | undefined
    const run = db.transaction(async (tx) => {
      leaked = tx
      if (end === 'rollback') throw new Error('on purpose')
    })
    await run.catch((error) => expect(error.message).toBe('on purpose'))
    return leaked!
  }

  it.each(['commit', 'rollback'] as const)('takes no more statements, after a %s', async (end) => {
    const tx = await leak(end)
    const late: Record<string, () => PromiseLike<unknown>> = {
      insert: () => tx.insert(orders).values({ id: 'late', total: 1 }),
      update: () => tx.update(orders).set({ total: 2 }),
      delete: () => tx.delete(orders),
      select: () => tx.select().from(orders),
      execute: () => tx.execute(sql`insert into orders values ('late', 1)`),
      count: () => tx.$count(orders),
      'a savepoint': () => tx.transaction(async () => {}),
      versionOf: () => tx.outbox.versionOf(orderEvents, 'late'),
    }
    for (const [name, run] of Object.entries(late))
      await expect((async () => run())(), name).rejects.toEqual(ended)
    for (const run of [
      () => tx.outbox.add(Order.place('late')),
      () => tx.outbox.metadata({ correlationId: 'late' }),
      () => tx.outbox.afterCommit(() => {}),
    ])
      expect(run).toThrow(ended)
    expect(await shop().db.select().from(orders).where(eq(orders.id, 'late'))).toEqual([])
    expect(await historyOf(shop().db, 'late')).toEqual([])
  })

  it('takes no relational query, and none that was prepared while it ran', async () => {
    const db = shop().open({}, { config: relational })
    const tx = await leak('commit', db)
    const query = Object.values(tx.query)[0] as unknown as { findMany(): PromiseLike<unknown> }
    await expect((async () => query.findMany())()).rejects.toEqual(ended)

    let prepared: { execute(): Promise<unknown> } | undefined
    await db.transaction(async (tx) => {
      prepared = tx.select().from(orders).prepare('late')
      await prepared.execute()
    })
    const error: unknown = await prepared!.execute().catch((thrown) => thrown)
    // PGlite ends its transactions by itself.
    const own = driver === 'PGlite' ? expect.objectContaining({ message: 'Transaction is closed' }) : ended
    expect([error, (error as Error).cause]).toContainEqual(own)
  })

  it('refuses what its callback forgot to await', async () => {
    let forgotten: Promise<unknown> | undefined
    await shop().db.transaction(async (tx) => {
      forgotten = (async () => {
        await sleep(20)
        await tx.insert(orders).values({ id: 'forgotten', total: 1 })
      })()
      forgotten.catch(() => {})
    })
    await expect(forgotten).rejects.toEqual(ended)
    expect(await shop().db.select().from(orders).where(eq(orders.id, 'forgotten'))).toEqual([])
  })
})
