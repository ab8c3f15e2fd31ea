/** What `transaction` throws: the application's own error, unless the connection is why. */
import { sql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/postgres-js'
import {
  createRelay,
  isOutboxError,
  memoryPublisher,
  migrateOutbox,
  type TxOf,
  withOutbox,
} from 'drizzle-outbox'
import { recordedEvents } from 'drizzle-outbox/testing'
import pg from 'pg'
import postgres from 'postgres'
import { describe, expect, it } from 'vitest'
import { sqlState } from '../../src/event-log/database.js'
import { describeEachDriver, Order, rowsOf, type ShopDb } from '../support/drivers.js'
import { isNetworked } from '../support/outbox-databases.js'
import { freshDatabase } from '../support/servers.js'

class OutOfStock extends Error {}

describeEachDriver('transaction throws', (shop, driver) => {
  const errorOf = (run: (tx: TxOf<ShopDb>) => Promise<unknown>) =>
    shop()
      .db.transaction(run)
      .then(
        () => undefined,
        (error: unknown) => error,
      )
  const endBackend = async (tx: TxOf<ShopDb>) => {
    const [row] = rowsOf(await tx.execute<{ pid: number }>(sql`select pg_backend_pid() as pid`))
    const admin = new pg.Client({ connectionString: shop().url })
    admin.on('error', () => {}) // postgres.js does not wait for this: the test may be over
    await admin.connect()
    await admin.query('select pg_terminate_backend($1, 1000)', [row?.pid])
    await admin.end()
  }

  it.each(['08001', '08P01', '57P01', '40001'])(
    'an error of SQLSTATE %s as it is, while the connection is there',
    async (state) => {
      const error = await errorOf((tx) =>
        tx.execute(sql.raw(`do $$ begin raise 'on purpose' using errcode = '${state}'; end $$`)),
      )
      expect(isOutboxError(error)).toBe(false)
      expect(sqlState(error)).toBe(state)
    },
  )

  it("the application's own error, of a connection that is not this one, too", async () => {
    const own = Object.assign(new Error('of another database'), { code: '57P01' })
    expect(await errorOf(() => Promise.reject(own))).toBe(own)
  })

  it.runIf(isNetworked(driver))(
    'that its connection was lost, with what a statement said of it',
    async () => {
      const error = await errorOf(async (tx) => {
        tx.outbox.add(Order.place('never'))
        await endBackend(tx)
        await tx.execute(sql`select 1`)
      })
      expect(error).toMatchObject({ code: 'ERR_OUTBOX_TRANSACTION_LOST' })
    },
  )

  it.runIf(driver === 'node-postgres')(
    "the application's own error after the connection was lost",
    async () => {
      const error = await errorOf(async (tx) => {
        await endBackend(tx)
        throw new OutOfStock()
      })
      expect(error).toBeInstanceOf(OutOfStock)
    },
  )
})

describe('sqlState', () => {
  it('knows a state from an error of the system', () => {
    expect(sqlState(Object.assign(new Error(), { code: 'EPIPE', errno: -32 }))).toBeUndefined()
    expect(sqlState(new Error('wrapped', { cause: Object.assign(new Error(), { code: '40001' }) }))).toBe(
      '40001',
    )
  })
})

describe.each(['camel', 'pascal', 'kebab'] as const)('postgres.js with columns in %s case', (form) => {
  it('stores events and relays them', async () => {
    const { url, drop } = await freshDatabase()
    const client = postgres(url, { max: 3, transform: postgres[form] })
    const db = withOutbox(drizzle({ client }), { source: '/shop' })
    await migrateOutbox(db)
    const [order, other] = [Order.place('1'), Order.place('2')]
    await db.transaction(async (tx) => {
      tx.outbox.add(order)
      tx.outbox.add(other)
    })
    expect([order.version, other.version]).toEqual([1, 1])
    const publisher = memoryPublisher()
    await createRelay({ db, publisher }).drain()
    expect(publisher.published.map(({ type, subject }) => [type, subject])).toEqual([
      ['order.placed', '1'],
      ['order.placed', '2'],
    ])
    expect(await recordedEvents(db)).toHaveLength(2)
    await client.end({ timeout: 1 })
    await drop()
  })
})
