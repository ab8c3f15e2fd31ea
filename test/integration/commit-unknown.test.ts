/** Connections that are lost while COMMIT runs, by a proxy that cuts them at it. */
import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'drizzle-orm'
import { isOutboxError, resolveCommit } from 'drizzle-outbox'
import { recordedEvents } from 'drizzle-outbox/testing'
import pg from 'pg'
import { beforeAll, expect, it, vi } from 'vitest'
import { describeEachShakyDriver, Order, orders, type ShopDb } from '../support/drivers.js'
import type { PostgresProxy } from '../support/postgres-proxy.js'

const COMMIT = /commit/i
const withCode = (code: string) => expect.objectContaining({ code })

describeEachShakyDriver('COMMIT that nobody hears the end of', (shop, driver) => {
  let proxy: PostgresProxy
  let db: ShopDb
  beforeAll(() => {
    proxy = shop().proxy
    db = shop().openShaky()
  })

  const stored = async (order: Order) =>
    (await recordedEvents(shop().db)).filter(({ aggregateId }) => aggregateId === order.id).length

  /** Places an order and cuts the connection at COMMIT: as it is sent, or as it is answered. */
  async function placeAndCut(order: Order, at: 'statement' | 'answer', hook = () => {}): Promise<unknown> {
    const run = db.transaction(async (tx) => {
      await tx.insert(orders).values({ id: order.id, total: 1 })
      tx.outbox.add(order)
      tx.outbox.afterCommit(hook)
      proxy.setTrap({ statement: COMMIT, at, spring: async (wire) => wire.cut() })
    })
    return run.then(
      () => undefined,
      (error) => error,
    )
  }

  it('is told to have committed, and settled as if it had been heard', async () => {
    const order = Order.place('answer-lost')
    const hook = vi.fn()
    const error = await placeAndCut(order, 'answer', hook)
    expect(error).toMatchObject({
      code: 'ERR_OUTBOX_COMMIT_UNKNOWN',
      details: { eventId: order.pendingEvents[0]?.id, transactionId: expect.stringMatching(/^\d+$/) },
    })
    expect(hook).not.toHaveBeenCalled()
    // Whoever tries again blindly would store the event twice.
    await expect(db.transaction(async (tx) => tx.outbox.add(order))).rejects.toEqual(
      withCode('ERR_OUTBOX_AGGREGATE_IN_USE'),
    )
    expect(await resolveCommit(error)).toBe('committed')
    expect(hook).toHaveBeenCalledOnce()
    expect(order.pendingEvents).toEqual([])
    expect(order.version).toBe(1)
    expect(await stored(order)).toBe(1)
    expect(await resolveCommit(error)).toBe('committed')
    expect(hook).toHaveBeenCalledOnce()
  })

  it('is told to have been rolled back, and may be tried again', async () => {
    const order = Order.place('statement-lost')
    const hook = vi.fn()
    const error = await placeAndCut(order, 'statement', hook)
    expect(await resolveCommit(error)).toBe('rolled-back')
    expect(await stored(order)).toBe(0)
    expect(order.pendingEvents).toHaveLength(1)
    await db.transaction(async (tx) => tx.outbox.add(order))
    expect(await stored(order)).toBe(1)
    expect(hook).not.toHaveBeenCalled()
  })

  it('holds back events that no aggregate holds, too', async () => {
    const [event] = Order.place('loose').pendingEvents
    const run = db.transaction(async (tx) => {
      tx.outbox.add(event!)
      proxy.setTrap({ statement: COMMIT, at: 'statement', spring: async (wire) => wire.cut() })
    })
    const error = await run.catch((thrown) => thrown)
    await expect(db.transaction(async (tx) => tx.outbox.add(event!))).rejects.toEqual(
      withCode('ERR_OUTBOX_EVENT_IN_USE'),
    )
    expect(await resolveCommit(error)).toBe('rolled-back')
    await db.transaction(async (tx) => tx.outbox.add(event!))
  })

  it('is waited for while the server is still at it', async () => {
    const gate = new pg.Client({ connectionString: shop().url })
    await gate.connect()
    await gate.query(`
      create table gated (id text);
      create function wait_at_gate() returns trigger language plpgsql as
        'begin perform pg_advisory_xact_lock(7); return null; end';
      create constraint trigger gate after insert on gated
        deferrable initially deferred for each row execute function wait_at_gate();
      select pg_advisory_lock(7)`)
    const order = Order.place('slow')
    const run = db.transaction(async (tx) => {
      await tx.execute(sql`insert into gated values ('slow')`)
      tx.outbox.add(order)
    })
    const failed = run.catch((thrown) => thrown)
    const waiting = `select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`
    await expect.poll(async () => (await gate.query(waiting)).rowCount).toBe(1)
    proxy.cutAll()
    const error = await failed
    expect(error).toEqual(withCode('ERR_OUTBOX_COMMIT_UNKNOWN'))
    await expect(resolveCommit(error, { timeoutMs: 200 })).rejects.toBe(error)
    const outcome = resolveCommit(error)
    await sleep(150)
    expect(await stored(order)).toBe(0)
    await gate.query('select pg_advisory_unlock(7)')
    expect(await outcome).toBe('committed')
    expect(await stored(order)).toBe(1)
    await gate.end()
  })

  it('is no answer to any other error, or to a transaction without events', async () => {
    await expect(resolveCommit(new Error('another'))).rejects.toEqual(withCode('ERR_OUTBOX_OPTION_INVALID'))
    const run = db.transaction(async (tx) => {
      await tx.insert(orders).values({ id: 'no-event', total: 1 })
      proxy.setTrap({ statement: COMMIT, at: 'statement', spring: async (wire) => wire.cut() })
    })
    const error = await run.catch((thrown) => thrown)
    expect(isOutboxError(error)).toBe(false) // as with Drizzle alone
    await expect(resolveCommit(error)).rejects.toEqual(withCode('ERR_OUTBOX_OPTION_INVALID'))
  })

  it('asks for as long as it is told to', async () => {
    for (const timeoutMs of [0, -1, Number.NaN])
      await expect(
        resolveCommit(await placeAndCut(Order.place(`for ${timeoutMs}`), 'answer'), { timeoutMs }),
      ).rejects.toEqual(withCode('ERR_OUTBOX_OPTION_INVALID'))
  })

  it('says so when the database does not come back in time', async () => {
    const order = Order.place('away')
    const error = await placeAndCut(order, 'answer')
    proxy.refuse(true)
    await expect(resolveCommit(error, { timeoutMs: 200 })).rejects.toMatchObject({
      code: expect.stringMatching(/^ERR_OUTBOX_DATABASE_/),
    })
    await expect(resolveCommit(error, { signal: AbortSignal.timeout(100) })).rejects.toThrow('timeout')
    const outcome = resolveCommit(error)
    await sleep(100)
    proxy.refuse(false)
    expect(await outcome).toBe('committed')
  })

  it('is not told where the event may have been deleted since', async () => {
    const order = Order.place('deleted')
    const error = await placeAndCut(order, 'answer')
    await shop().db.execute(sql`delete from outbox_events where aggregate_id = ${order.id}`)
    await expect(resolveCommit(error, { timeoutMs: 200 })).rejects.toBe(error)
  })

  it('is not told where row-level security would hide the event', async () => {
    const role = `tenant_${driver === 'node-postgres' ? 'a' : 'b'}_${process.env.OUTBOX_TEST_DRIZZLE === '1.0' ? 1 : 0}`
    const owner = new pg.Client({ connectionString: shop().url })
    await owner.connect()
    await owner.query(`create role ${role} login; grant all on all tables in schema public to ${role}`)
    const tenant = shop().openShaky({ user: role })
    const order = Order.place('hidden')
    const run = tenant.transaction(async (tx) => {
      tx.outbox.add(order)
      proxy.setTrap({ statement: COMMIT, at: 'answer', spring: async (wire) => wire.cut() })
    })
    const error = await run.catch((thrown) => thrown)
    await owner.query(`alter table outbox_events enable row level security`)
    await expect(resolveCommit(error)).rejects.toMatchObject({
      code: 'ERR_OUTBOX_DATABASE_UNFIT',
      details: { reason: 'row-level-security' },
    })
    await owner.query(`alter table outbox_events disable row level security`)
    expect(await resolveCommit(error)).toBe('committed')
    await owner.query(`drop owned by ${role}; drop role ${role}`)
    await owner.end()
  })
})
