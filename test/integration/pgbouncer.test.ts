/**
 * Through PgBouncer in transaction mode: many clients, and two server connections that they take turns in, one
 * transaction after the other. No session setting, lock, or named statement can be relied on.
 */
import { type SQL, sql } from 'drizzle-orm'
import { createRelay, type HasOutbox, memoryPublisher, migrateOutbox, type TxOf } from 'drizzle-outbox'
import { recordedEvents } from 'drizzle-outbox/testing'
import pg from 'pg'
import { describe, expect, inject, it, onTestFinished, vi } from 'vitest'
import { historyOf, Order, orderEvents, orders, type ShopDb } from '../support/drivers.js'
import {
  connectionIds,
  describeEachPooledClient,
  describeWithPgBouncer,
  endTransactions,
} from '../support/private-pgbouncer.js'
import { freshDatabase } from '../support/servers.js'

const serverConnections = 2
const writers = 16
const rounds = 24

const range = (length: number) => Array.from({ length }, (_, index) => index)

async function rowsOf<R extends Record<string, unknown>>(db: Pick<ShopDb, 'execute'>, statement: SQL) {
  const result = await db.execute<R>(statement)
  return Array.isArray(result) ? (result as R[]) : result.rows
}

/** The mark that the library sets on a transaction, and the backend where it is set. */
async function fenceOf(db: Pick<ShopDb, 'execute'>) {
  const [row] = await rowsOf<{ fence: string; backend: number }>(
    db,
    sql`select coalesce(current_setting('outbox.tx', true), '') as fence, pg_backend_pid() as backend`,
  )
  return row!
}

/** The flush has a statement for each: one event, several of one aggregate, events of several aggregates. */
const shapes: readonly (readonly number[])[] = [[0], [0, 0, 0], [2, 0, 1, 0]]

/** Adds the events of a shape, which other writers add to the same aggregates; returns whose they are. */
function addShape(outbox: HasOutbox['outbox'], writer: number, round: number): string[] {
  const shape = shapes[(writer + round) % shapes.length]!
  const ids = shape.map((nth) => `hot-${(writer + round + nth) % 5}`)
  for (const id of ids) outbox.add(orderEvents.shipped(id, { carrier: `${writer}.${round}` }))
  return ids
}

describeWithPgBouncer('through PgBouncer', { default_pool_size: serverConnections }, (bouncer) => {
  const clients = ['node-postgres', 'postgres.js', 'postgres.js, prepare: false'] as const
  describeEachPooledClient(clients, { bouncer, connections: writers }, (shop, driver) => {
    it('gives gap-free versions to writers that share connections, and none sees the fence of another', async () => {
      const { db } = shop()
      const stored: string[] = []
      const marks: { before: string; after: string }[] = []
      const outside = new Set<string>()
      const backends = new Set<number>()
      const write = async (writer: number, round: number) => {
        const rollBack = round % 8 === 7
        const run = db.transaction(async (tx) => {
          const { fence: before } = await fenceOf(tx)
          const ids = addShape(tx.outbox, writer, round)
          const { fence: after, backend } = await fenceOf(tx)
          marks.push({ before, after })
          backends.add(backend)
          if (rollBack) throw new Error('on purpose')
          return ids
        })
        stored.push(...(await run.catch((error) => (rollBack ? [] : Promise.reject(error)))))
        outside.add((await fenceOf(db)).fence)
      }
      await Promise.all(
        range(writers).map(async (writer) => {
          for (const round of range(rounds)) await write(writer, round)
        }),
      )
      expect(backends.size).toBe(serverConnections)
      for (const id of range(5).map((nth) => `hot-${nth}`)) {
        const count = stored.filter((each) => each === id).length
        expect(await historyOf(db, id)).toEqual(range(count).map((nth) => `${nth + 1} order.shipped`))
      }
      expect(marks.filter(({ before, after }) => before !== '' && before !== after)).toEqual([])
      const set = marks.map(({ after }) => after).filter((fence) => fence !== '')
      expect(new Set(set).size).toBe(set.length)
      expect(set.length).toBeGreaterThanOrEqual(driver === 'node-postgres' ? 0 : marks.length)
      expect([...outside]).toEqual([''])
    })

    it('stores what savepoints keep, and not what they roll back', async () => {
      const { db } = shop()
      const write = (id: string) =>
        db.transaction(async (tx) => {
          tx.outbox.add(orderEvents.placed(id, { total: 1 }))
          await tx.transaction(async (kept) => kept.outbox.add(orderEvents.shipped(id, { carrier: 'kept' })))
          const undone = tx.transaction(async (savepoint) => {
            savepoint.outbox.add(orderEvents.placed(id, { total: 2 }))
            throw new Error('on purpose')
          })
          await expect(undone).rejects.toThrow('on purpose')
          tx.outbox.add(orderEvents.shipped(id, { carrier: 'last' }))
        })
      const ids = range(writers).map((nth) => `savepoints-${nth}`)
      await Promise.all(ids.map(write))
      for (const id of ids)
        expect(await historyOf(db, id)).toEqual(['1 order.placed', '2 order.shipped', '3 order.shipped'])
    })

    it.each([
      ['its callback throws', sql`select 1`],
      ['a statement fails that its callback shrugs off', sql`select 1 / 0`],
    ])('stores nothing of a transaction when %s, and its retry once', async (name, statement) => {
      const { db } = shop()
      const order = Order.place(name)
      const write = (tx: TxOf<ShopDb>) => {
        tx.outbox.add(order)
        return tx.insert(orders).values({ id: name, total: 1 })
      }
      const failing = db.transaction(async (tx) => {
        await write(tx)
        await tx.execute(statement).then(
          () => Promise.reject(new Error('on purpose')),
          () => {},
        )
      })
      await expect(failing).rejects.toThrow()
      expect(await historyOf(db, name)).toEqual([])
      await db.transaction(write)
      expect(await historyOf(db, name)).toEqual(['1 order.placed'])
    })

    it('lets one of many writers with the same version win', async () => {
      const { db } = shop()
      const place = (nth: number) =>
        db.transaction(async (tx) => {
          await tx.insert(orders).values({ id: `contender-${nth}`, total: 1 })
          tx.outbox.add(Order.place('contended'))
        })
      const results = await Promise.allSettled(range(writers).map(place))
      const refused = results.flatMap((result) => (result.status === 'rejected' ? [result.reason.code] : []))
      expect(refused).toEqual(range(writers - 1).map(() => 'ERR_OUTBOX_CONCURRENCY'))
      expect(await historyOf(db, 'contended')).toEqual(['1 order.placed'])
      expect(await rowsOf(db, sql`select from orders where id like 'contender-%'`)).toHaveLength(1)
    })

    it('a relay keeps its lease and publishes everything in order while others write', async () => {
      const { db, open } = shop()
      const publisher = memoryPublisher()
      const relay = createRelay({ db: open(2), publisher, name: 'pooled', leaseMs: 9_000, batchSize: 20 })
      onTestFinished(() => relay.stop({ timeoutMs: 100 }))
      const trouble = vi.fn()
      relay.on('paused', trouble)
      relay.on('leaseLost', trouble)
      await relay.start()
      await expect.poll(() => relay.status().state).toMatch(/idle|publishing/)
      const lease = async () => {
        const held = sql`select epoch::text, lease_until::text as until from outbox_relays where name = 'pooled'`
        return (await rowsOf<{ epoch: string; until: string }>(db, held))[0]!
      }
      const { epoch, until } = await lease()
      const write = async (writer: number) => {
        for (const round of range(rounds))
          await db.transaction(async (tx) => addShape(tx.outbox, writer, round))
      }
      await Promise.all(range(writers).map(write))
      await relay.drain()
      await expect.poll(async () => (await lease()).until).not.toBe(until)
      expect((await lease()).epoch).toBe(epoch)
      expect(trouble).not.toHaveBeenCalled()

      const log = await recordedEvents(db)
      expect(publisher.published.map(({ id }) => id).sort()).toEqual(log.map(({ id }) => id).sort())
      for (const id of new Set(log.map(({ aggregateId }) => aggregateId))) {
        const sequences = publisher.published.filter(({ subject }) => subject === id)
        expect(sequences.map(({ sequence }) => Number(sequence))).toEqual(sequences.map((_, nth) => nth + 1))
      }
    })

    it('many migrate at once', async () => {
      const database = await freshDatabase()
      onTestFinished(() => database.drop())
      const clients = range(4).map(() => shop().open(1, bouncer().through(database.url)))
      await Promise.all(clients.map((db) => migrateOutbox(db)))
      await clients[0]!.transaction(async (tx) => tx.outbox.add(Order.place('migrated')))
      expect(await historyOf(clients[1]!, 'migrated')).toEqual(['1 order.placed'])
    })

    it.each([
      ['its server connection', false, (direct: string) => endTransactions(direct)],
      ['its server connection, before the event is added', true, (direct: string) => endTransactions(direct)],
      ['PgBouncer', false, () => bouncer().restart()],
      ['PgBouncer, before the event is added', true, () => bouncer().restart()],
    ])('a transaction that loses %s leaves no event', async (name, addLate, end) => {
      const { db, direct, open } = shop()
      // One connection of postgres.js: others' work makes it connect anew, and there the rest of the callback goes.
      const fragile = open(driver === 'node-postgres' ? 2 : 1)
      const order = Order.place(name)
      let callback = Promise.resolve()
      const place = async (tx: TxOf<ShopDb>) => {
        await tx.insert(orders).values({ id: name, total: 1 })
        if (!addLate) tx.outbox.add(order)
        await tx.execute(sql`select 1`)
        const others = fragile.execute(sql`select 1`)
        await end(direct)
        await others
        if (addLate) tx.outbox.add(order)
      }
      const run = fragile.transaction((tx) => {
        callback = place(tx)
        return callback
      })
      await expect(run).rejects.toThrow()
      await callback.catch(() => {}) // postgres.js lets it run on
      await fragile.execute(sql`select 1`) // behind whatever was still to come on this connection
      expect(await historyOf(db, name)).toEqual([])
      await db.transaction(async (tx) => tx.outbox.add(order))
      expect(await historyOf(db, name)).toEqual(['1 order.placed'])
    })
  })

  describeEachPooledClient(['postgres.js'], { bouncer, connections: 1 }, (shop) => {
    it('prepares no statement of the library', async () => {
      const { db } = shop()
      for (const round of range(rounds))
        await db.transaction(async (tx) => void addShape(tx.outbox, 0, round))
      // All of this ran on the connection that was used last, and so does this.
      const prepared = await rowsOf<{ statement: string }>(
        db,
        sql`select statement from pg_prepared_statements`,
      )
      const statements = prepared.map(({ statement }) => statement)
      expect(statements.filter((statement) => statement.includes('pg_type'))).toHaveLength(1) // the driver's own
      expect(statements.filter((statement) => statement.includes('outbox'))).toEqual([])
    })

    // porsager/postgres#1212: left to itself, the driver sends COMMIT as a named statement. A server connection that does
    // not know the name aborts the transaction; the driver sends COMMIT again, and takes the rollback for success.
    it('commits on a server connection that has not seen its COMMIT before', async () => {
      const { db, open } = shop()
      const holder = open(1)
      const place = (id: string) =>
        db.transaction(async (tx) => {
          await tx.insert(orders).values({ id, total: 1 })
          tx.outbox.add(Order.place(id))
          return (await fenceOf(tx)).backend
        })
      const first = await place('first')
      const second = await holder.transaction(async (tx) => {
        expect((await fenceOf(tx)).backend).toBe(first) // and leaves the other one to what comes now
        return place('second')
      })
      expect(second).not.toBe(first)
      expect(await historyOf(db, 'first')).toEqual(['1 order.placed'])
      expect(await historyOf(db, 'second')).toEqual(['1 order.placed'])
      expect(await rowsOf(db, sql`select from orders where id = 'second'`)).toHaveLength(1)
    })
  })

  it('breaks named statements, so that these tests would show if the library used any', async () => {
    const failures = new Set<string>()
    const use = async () => {
      const client = new pg.Client({ connectionString: bouncer().url })
      await client.connect()
      for (const _ of range(20)) {
        const run = client.query({ name: 'flush', text: 'select $1::text', values: ['x'] })
        await run.catch(({ code }) => failures.add(code))
      }
      await client.end()
    }
    await Promise.all(range(writers).map(use))
    expect([...failures].filter((code) => code === '42P05' || code === '26000')).not.toEqual([])
  })
})

const drivers = Object.entries(connectionIds)

it.each(drivers)('a direct connection of %s announces its backend', async (_, idsOf) => {
  const { announced, backend } = await idsOf(inject('databaseUrl'))
  expect(announced).toBe(backend)
})

describe.each(['transaction', 'session', 'statement'])('PgBouncer in mode %s', (pool_mode) => {
  describeWithPgBouncer('a connection', { pool_mode, default_pool_size: 20 }, (bouncer) => {
    // A random number: once in four thousand million connections it is the backend's.
    it.each(drivers)('of %s announces another process than its backend', async (_, idsOf) => {
      for (const { announced, backend } of await Promise.all(range(20).map(() => idsOf(bouncer().url))))
        expect(announced).not.toBe(backend)
    })
  })
})

describe.each([
  ['session', 'stores the events of transactions'],
  ['statement', 'refuses transactions'],
])('PgBouncer in mode %s', (pool_mode, does) => {
  describeWithPgBouncer(does, { pool_mode }, (bouncer) => {
    const clients = ['node-postgres', 'postgres.js', 'postgres.js, prepare: false'] as const
    describeEachPooledClient(clients, { bouncer, connections: 2 }, (shop) => {
      it('and says so', async () => {
        const { db, open, direct } = shop()
        const run = db.transaction(async (tx) => tx.outbox.add(Order.place('placed')))
        const stored = await run.then(
          () => true,
          () => false,
        )
        expect(stored).toBe(pool_mode === 'session')
        expect(await historyOf(open(1, direct), 'placed')).toEqual(stored ? ['1 order.placed'] : [])
      })
    })
  })
})
