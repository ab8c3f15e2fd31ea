import { eq } from 'drizzle-orm'
import {
  type Aggregate,
  createRecorder,
  type DomainEvent,
  type HasOutbox,
  isOutboxError,
  withOutbox,
} from 'drizzle-outbox'
import { recordedEvents } from 'drizzle-outbox/testing'
import { expect, it } from 'vitest'
import { describeEachDriver, historyOf, Order, orderEvents, orders } from '../support/drivers.js'
import { isNetworked } from '../support/outbox-databases.js'

const failing = (message = 'on purpose') => new Error(message)
const withCode = (code: string) => expect.objectContaining({ code })

/** Resolves whenever so many are waiting for it. */
function meetingOf(count: number): () => Promise<void> {
  let waiting: (() => void)[] = []
  return () =>
    new Promise((resolve) => {
      waiting.push(resolve)
      if (waiting.length < count) return
      for (const go of waiting) go()
      waiting = []
    })
}

describeEachDriver('transaction', (shop, driver) => {
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

  it('refuses what comes after its end', async () => {
    const { db } = shop()
    let leaked: HasOutbox | undefined
    await db.transaction(async (tx) => {
      leaked = tx
    })
    expect(() => leaked?.outbox.add(Order.place('too-late'))).toThrow(
      withCode('ERR_OUTBOX_TRANSACTION_ENDED'),
    )
  })

  it.runIf(isNetworked(driver))('refuses an aggregate of another open transaction', async () => {
    const { db } = shop()
    const order = Order.place('shared')
    await db.transaction(async (tx) => {
      tx.outbox.add(order)
      await expect(db.transaction(async (other) => other.outbox.add(order))).rejects.toEqual(
        withCode('ERR_OUTBOX_AGGREGATE_IN_USE'),
      )
    })
    order.ship()
    await db.transaction(async (tx) => tx.outbox.add(order))
    expect(await historyOf(db, 'shared')).toHaveLength(2)
  })

  it('knows nothing of the transactions beside it', async () => {
    const { db } = shop()
    // Where transactions take turns, waiting for the other one would be waiting for ever.
    const meet = isNetworked(driver) ? meetingOf(2) : async () => {}
    const hooks: string[] = []
    const write = (name: string, end: () => void) =>
      db.transaction(async (tx) => {
        await meet()
        tx.outbox.metadata({ correlationId: name })
        tx.outbox.afterCommit(() => void hooks.push(name))
        tx.outbox.add(Order.place(`beside-${name}`))
        await meet()
        const savepoint = tx.transaction(async (inner) => {
          inner.outbox.add(Order.place(`beside-${name}-undone`))
          await meet()
          throw failing()
        })
        await expect(savepoint).rejects.toThrow('on purpose')
        tx.outbox.add(orderEvents.shipped(`beside-${name}`, { carrier: 'x' }))
        await meet()
        end()
      })
    const committed = write('a', () => {})
    const rolledBack = write('b', () => {
      throw failing()
    })
    await expect(rolledBack).rejects.toThrow('on purpose')
    await committed
    const recorded = (await recordedEvents(db)).filter(({ aggregateId }) => aggregateId.startsWith('beside-'))
    expect(recorded.map(({ aggregateId, type }) => `${aggregateId} ${type}`)).toEqual([
      'beside-a order.placed',
      'beside-a order.shipped',
    ])
    for (const { metadata } of recorded) expect(metadata.correlationId).toBe('a')
    expect(hooks).toEqual(['a'])
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

  it.each([undefined, '', '/my shop', 'shop:1:2 ', '/büro', '/100%', 'https://[::1', '/x'.repeat(1025)])(
    'refuses the source %j',
    (source) => {
      const refused = () => withOutbox(shop().connect(), { source: source as string })
      expect(refused).toThrow(expect.objectContaining({ details: { option: 'source' } }))
    },
  )

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
