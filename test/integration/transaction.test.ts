import { eq, sql } from 'drizzle-orm'
import { type Aggregate, createRecorder, type DomainEvent, isOutboxError, withOutbox } from 'drizzle-outbox'
import { recordedEvents } from 'drizzle-outbox/testing'
import { expect, it, vi } from 'vitest'
import { describeEachDriver, historyOf, Order, orderEvents, orders } from '../support/drivers.js'

const failing = (message = 'on purpose') => new Error(message)
const withCode = (code: string) => expect.objectContaining({ code })

describeEachDriver('transaction', (shop) => {
  it('stores the events with the state change, in the order recorded, and settles the aggregate', async () => {
    const { db } = shop()
    const order = Order.place('stored', 42)
    await db.transaction(async (tx) => {
      await tx.insert(orders).values({ id: order.id, total: 42 })
      tx.outbox.add(order)
      order.ship()
      tx.outbox.add(
        orderEvents.shipped('other', { carrier: 'ups' }),
        orderEvents.shipped(order.id, { carrier: 'ups' }),
      )
      order.ship('last')
      expect(order.pendingEvents).toHaveLength(3)
    })
    expect(await historyOf(db, 'stored')).toEqual([
      '1 order.placed',
      '2 order.shipped',
      '3 order.shipped',
      '4 order.shipped',
    ])
    const mine = (await recordedEvents(db)).filter(({ aggregateId }) =>
      ['stored', 'other'].includes(aggregateId),
    )
    expect(mine.map(({ data }) => data)).toEqual([
      { total: 42 },
      { carrier: 'dhl' },
      { carrier: 'ups' },
      { carrier: 'ups' },
      { carrier: 'last' },
    ])
    expect(order.pendingEvents).toEqual([])
    expect(order.version).toBe(4)
  })

  it('stores nothing when the callback throws, and the retry stores each event once, under its id', async () => {
    const { db } = shop()
    const order = Order.place('retried')
    const id = order.pendingEvents[0]?.id
    const attempt = (fail: boolean) =>
      db.transaction(async (tx) => {
        await tx.insert(orders).values({ id: order.id, total: 1 })
        tx.outbox.add(order)
        if (fail) throw failing()
      })
    await expect(attempt(true)).rejects.toThrow('on purpose')
    expect(await historyOf(db, 'retried')).toEqual([])
    expect(order.pendingEvents.map((event) => event.id)).toEqual([id])
    await attempt(false)
    expect((await recordedEvents(db)).filter((event) => event.id === id)).toHaveLength(1)
  })

  it('gives gap-free versions to concurrent writers of the same aggregates', async () => {
    const { db } = shop()
    await Promise.all(
      Array.from({ length: 60 }, (_, i) =>
        db
          .transaction(async (tx) => {
            const [a, b] = [new Order(`hot-${i % 3}`), new Order(`hot-${(i + 1) % 3}`)]
            a.ship()
            b.ship()
            a.ship()
            tx.outbox.add(b)
            tx.outbox.add(a)
            if (i % 7 === 0) throw failing()
          })
          .catch((error: Error) => expect(error.message).toBe('on purpose')),
      ),
    )
    for (const id of ['hot-0', 'hot-1', 'hot-2']) {
      const history = await historyOf(db, id)
      expect(history).toEqual(history.map((_, i) => `${i + 1} order.shipped`))
      expect(history.length).toBeGreaterThan(40)
    }
  })

  it('refuses an aggregate that is not at the version it was loaded at', async () => {
    const { db } = shop()
    const order = Order.place('versioned')
    await db.transaction(async (tx) => tx.outbox.add(order))
    const late = new Order('versioned', 0)
    late.ship()
    await expect(db.transaction(async (tx) => tx.outbox.add(late))).rejects.toMatchObject({
      code: 'ERR_OUTBOX_CONCURRENCY',
      details: { aggregateType: 'order', aggregateId: 'versioned', expectedVersion: 0, actualVersion: 1 },
    })
    expect(await historyOf(db, 'versioned')).toEqual(['1 order.placed'])
    await db.transaction(async (tx) => {
      const expectedVersion = await tx.outbox.versionOf(orderEvents, 'versioned')
      expect(expectedVersion).toBe(1)
      expect(await tx.outbox.versionOf(orderEvents, 'nobody')).toBe(0)
      tx.outbox.add(late, { expectedVersion })
    })
    expect(late.version).toBe(2)
  })

  it('lets objects for one aggregate follow each other in a transaction, and not run side by side', async () => {
    const { db } = shop()
    await db.transaction(async (tx) => tx.outbox.add(Order.place('handed-on')))
    const [first, second] = [new Order('handed-on', 1), new Order('handed-on', 2)]
    await db.transaction(async (tx) => {
      first.ship()
      tx.outbox.add(first)
      second.ship() // loaded from the row that the first one has written
      tx.outbox.add(second)
    })
    expect([first.version, second.version]).toEqual([2, 3])
    const [one, other] = [new Order('handed-on', 3), new Order('handed-on', 3)]
    const run = db.transaction(async (tx) => {
      for (const order of [one, other]) {
        order.ship()
        tx.outbox.add(order)
      }
    })
    await expect(run).rejects.toMatchObject({
      code: 'ERR_OUTBOX_CONCURRENCY',
      details: { expectedVersion: 3, actualVersion: 4 },
    })
  })

  it('lets one of many concurrent writers with the same version win', async () => {
    const { db } = shop()
    await db.transaction(async (tx) => tx.outbox.add(Order.place('contended')))
    const results = await Promise.allSettled(
      Array.from({ length: 8 }, () =>
        db.transaction(async (tx) => {
          const order = new Order('contended', 1)
          order.ship()
          tx.outbox.add(order)
        }),
      ),
    )
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    for (const result of results)
      if (result.status === 'rejected') expect(result.reason).toEqual(withCode('ERR_OUTBOX_CONCURRENCY'))
    expect(await historyOf(db, 'contended')).toHaveLength(2)
  })

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

  it('keeps what is recorded between the flush and COMMIT for the next transaction', async () => {
    const { open } = shop()
    const order = Order.place('late')
    // Asked for as the transaction flushes: the last moment at which code of ours runs before COMMIT.
    const db = open({
      metadata: () => {
        if (order.pendingEvents.length === 1) order.ship()
        return {}
      },
    })
    await db.transaction(async (tx) => tx.outbox.add(order))
    expect(order.pendingEvents.map(({ type }) => type)).toEqual(['order.shipped'])
    await db.transaction(async (tx) => tx.outbox.add(order))
    expect(await historyOf(db, 'late')).toEqual(['1 order.placed', '2 order.shipped'])
  })

  it('refuses an event that an earlier transaction has stored', async () => {
    const { db } = shop()
    const event = orderEvents.shipped('once', { carrier: 'x' })
    await db
      .transaction(async (tx) => {
        tx.outbox.add(event)
        throw failing()
      })
      .catch(() => {})
    await db.transaction(async (tx) => tx.outbox.add(event))
    await expect(db.transaction(async (tx) => tx.outbox.add(event))).rejects.toEqual(
      withCode('ERR_OUTBOX_EVENT_STORED'),
    )
    expect(await historyOf(db, 'once')).toHaveLength(1)
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

  it('refuses what is neither aggregate nor event, and two aggregates in one call', async () => {
    const { db } = shop()
    const event = orderEvents.shipped('by-hand', { carrier: 'x' })
    await db.transaction(async (tx) => {
      expect(() => tx.outbox.add(Order.place('a'), Order.place('b') as never)).toThrow(
        withCode('ERR_OUTBOX_OPTION_INVALID'),
      )
      for (const wrong of [undefined, {}, [event], Promise.resolve(), 'text'])
        expect(() => tx.outbox.add(wrong as never)).toThrow(withCode('ERR_OUTBOX_OPTION_INVALID'))
      tx.outbox.add(...[])
      for (const wrong of [
        { ...event, id: '1' },
        { ...event, occurredAt: 'now' },
        { ...event, type: 7 },
      ])
        expect(() => tx.outbox.add(wrong as never)).toThrow(withCode('ERR_OUTBOX_EVENT_INVALID'))
    })
  })

  it('keeps the metadata that was checked, whatever becomes of the object', async () => {
    const { db } = shop()
    const metadata = { correlationId: 'as given', extensions: { tenant: 'a' } }
    const event = orderEvents.shipped('frozen', { carrier: 'x' }, metadata)
    metadata.correlationId = 'changed'
    metadata.extensions.tenant = 'changed'
    await db.transaction(async (tx) => tx.outbox.add(event))
    const [stored] = (await recordedEvents(db)).filter(({ id }) => id === event.id)
    expect(stored?.metadata).toEqual({ correlationId: 'as given', extensions: { tenant: 'a' } })
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

  it('refuses what comes after its end, and an aggregate of another open transaction', async () => {
    const { db } = shop()
    const order = Order.place('shared')
    let leaked: { outbox: { add(order: Order): void } } | undefined
    await db.transaction(async (tx) => {
      leaked = tx
      tx.outbox.add(order)
      await expect(db.transaction(async (other) => other.outbox.add(order))).rejects.toEqual(
        withCode('ERR_OUTBOX_AGGREGATE_IN_USE'),
      )
    })
    expect(() => leaked?.outbox.add(Order.place('late'))).toThrow(withCode('ERR_OUTBOX_TRANSACTION_ENDED'))
    order.ship()
    await db.transaction(async (tx) => tx.outbox.add(order))
    expect(await historyOf(db, 'shared')).toHaveLength(2)
  })

  it('merges metadata: of the database, the transaction, the event', async () => {
    const db = shop().open({
      metadata: () => ({ correlationId: 'db', causationId: 'db', extensions: { tenant: 'a' } }),
    })
    await db.transaction(async (tx) => {
      tx.outbox.metadata({ causationId: 'tx', extensions: { region: 'eu' } })
      tx.outbox.add(orderEvents.shipped('meta', { carrier: 'x' }, { extensions: { tenant: 'b' } }))
    })
    const [event] = (await recordedEvents(db)).filter(({ aggregateId }) => aggregateId === 'meta')
    expect(event?.metadata).toEqual({
      correlationId: 'db',
      causationId: 'tx',
      extensions: { tenant: 'b', region: 'eu' },
    })
  })

  it('passes the transaction config on, and stays out of transactions without events', async () => {
    const { db } = shop()
    const level = await db.transaction(
      async (tx) => {
        const result = await tx.execute<{ level: string }>(
          sql`select current_setting('transaction_isolation') as level`,
        )
        return (Array.isArray(result) ? result : result.rows)[0]?.level
      },
      { isolationLevel: 'serializable', accessMode: 'read only' },
    )
    expect(level).toBe('serializable')
  })

  it('takes an aggregate of your own, and events put together by hand', async () => {
    const { db } = shop()
    const committed: [number, readonly DomainEvent[]][] = []
    const pendingEvents = [orderEvents.shipped('own', { carrier: 'x' })]
    const own: Aggregate = {
      pendingEvents,
      version: undefined,
      eventsCommitted: (version, events) => void committed.push([version, events]),
    }
    const byHand: DomainEvent = { ...orderEvents.shipped('by-hand', { carrier: 'x' }) }
    const recorder = createRecorder(orderEvents, 'recorder')
    recorder.record('placed', { total: 1 })
    await db.transaction(async (tx) => {
      tx.outbox.add(own)
      tx.outbox.add(own)
      tx.outbox.add(byHand)
      tx.outbox.add(byHand)
      tx.outbox.add(recorder)
      expect(() => tx.outbox.add({ ...byHand, data: { n: 1n } })).toThrow(
        withCode('ERR_OUTBOX_EVENT_NOT_JSON'),
      )
    })
    expect(committed).toEqual([[1, pendingEvents]])
    for (const id of ['own', 'by-hand', 'recorder']) expect(await historyOf(db, id)).toHaveLength(1)
  })

  it('is still the database and the transaction of the driver', async () => {
    const { db } = shop()
    expect(db.$client).toBeDefined()
    expect(() => withOutbox(db, { source: '/again' })).toThrow(withCode('ERR_OUTBOX_OPTION_INVALID'))
    await db.transaction(async (tx) => {
      expect(() => withOutbox(tx, { source: '/x' })).toThrow(/is a transaction/)
    })
    expect(() => withOutbox({ transaction: async () => {} }, { source: '/x' })).toThrow(
      withCode('ERR_OUTBOX_OPTION_INVALID'),
    )
    const total = await db.transaction(async (tx) => {
      await tx.insert(orders).values({ id: 'typed', total: 5 })
      const rows = await tx.select().from(orders).where(eq(orders.id, 'typed'))
      return rows[0]?.total
    })
    expect(total).toBe(5)
    const error = await db.transaction(async () => Promise.reject(failing())).catch((error: unknown) => error)
    expect(isOutboxError(error)).toBe(false)
  })
})
