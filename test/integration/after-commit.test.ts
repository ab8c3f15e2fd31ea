import { eq, sql } from 'drizzle-orm'
import type { Aggregate } from 'drizzle-outbox'
import { expect, it, vi } from 'vitest'
import { describeEachDriver, historyOf, Order, orderEvents, orders } from '../support/drivers.js'

const failing = (message = 'on purpose') => new Error(message)

describeEachDriver('after COMMIT', (shop, driver) => {
  it('runs afterCommit once COMMIT has returned, and not after a rollback', async () => {
    const { db, open } = shop()
    const calls: string[] = []
    const seen = (name: string) => async () => {
      const rows = await db.select().from(orders).where(eq(orders.id, name))
      calls.push(`${name} ${rows.length}`)
    }
    await db.transaction(async (tx) => {
      await tx.insert(orders).values({ id: 'hook', total: 1 })
      tx.outbox.afterCommit(seen('hook'))
      await tx
        .transaction(async (sp) => {
          sp.outbox.afterCommit(seen('of the savepoint'))
          throw failing()
        })
        .catch(() => {})
    })
    expect(calls).toEqual(['hook 1'])
    await db
      .transaction(async (tx) => {
        tx.outbox.afterCommit(seen('rolled back'))
        throw failing()
      })
      .catch(() => {})
    expect(calls).toEqual(['hook 1'])

    const onAfterCommitError = vi.fn()
    const other = open({ onAfterCommitError })
    const result = await other.transaction(async (tx) => {
      tx.outbox.afterCommit(() => Promise.reject(failing('in a hook')))
      tx.outbox.afterCommit(seen('hook'))
      return 'committed'
    })
    expect(result).toBe('committed')
    expect(onAfterCommitError).toHaveBeenCalledExactlyOnceWith(failing('in a hook'))
    onAfterCommitError.mockImplementationOnce(() => {
      throw failing('in the listener')
    })
    const warned = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    await other.transaction(async (tx) => tx.outbox.afterCommit(() => Promise.reject(failing())))
    expect(warned).toHaveBeenCalledOnce()
    warned.mockRestore()
    expect(calls).toHaveLength(2)
  })

  it('stands, whatever an aggregate makes of it', async () => {
    const onAfterCommitError = vi.fn()
    const db = shop().open({ onAfterCommitError })
    const hook = vi.fn()
    const throwing: Aggregate = {
      pendingEvents: [orderEvents.shipped('throwing', { carrier: 'x' })],
      version: undefined,
      eventsCommitted: () => {
        throw failing('in eventsCommitted')
      },
    }
    await db.transaction(async (tx) => {
      tx.outbox.add(throwing)
      tx.outbox.afterCommit(hook)
    })
    expect(onAfterCommitError).toHaveBeenCalledExactlyOnceWith(failing('in eventsCommitted'))
    expect(hook).toHaveBeenCalledOnce()
    expect(await historyOf(db, 'throwing')).toHaveLength(1)
  })

  it('runs no hook after a COMMIT that the server turned into a rollback', async () => {
    const { db } = shop()
    const hook = vi.fn()
    const run = db.transaction(async (tx) => {
      tx.outbox.afterCommit(hook)
      await tx.execute(sql`select 1 / 0`).catch(() => {}) // aborts the transaction; the error is swallowed
    })
    await expect(run).rejects.toThrow()
    expect(hook).not.toHaveBeenCalled()
  })

  it.runIf(driver === 'postgres.js')('runs no hook when its transaction is not there any more', async () => {
    const hook = vi.fn()
    const run = shop().db.transaction(async (tx) => {
      tx.outbox.afterCommit(hook)
      await tx.execute(sql.raw('rollback; begin')) // as if the connection had been lost, and nobody had noticed
    })
    await expect(run).rejects.toEqual(expect.objectContaining({ code: 'ERR_OUTBOX_TRANSACTION_LOST' }))
    expect(hook).not.toHaveBeenCalled()
  })

  it('fails, hooks unrun, when a deferred constraint fails at COMMIT', async () => {
    const { db } = shop()
    await db.execute(sql`
      create table if not exists deferred (id int unique deferrable initially deferred)`)
    const hook = vi.fn()
    const order = Order.place('deferred')
    const run = db.transaction(async (tx) => {
      await tx.execute(sql`insert into deferred values (1), (1)`)
      tx.outbox.add(order)
      tx.outbox.afterCommit(hook)
    })
    await expect(run).rejects.toThrow()
    expect(hook).not.toHaveBeenCalled()
    expect(await historyOf(db, 'deferred')).toEqual([])
    expect(order.pendingEvents).toHaveLength(1)
  })
})
