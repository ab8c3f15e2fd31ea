/** Relays that a commit in another process wakes: those here never poll in the time of a test. */
import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/node-postgres'

import { createRelay, memoryPublisher, migrateOutbox, type RelayOptions, withOutbox } from 'drizzle-outbox'
import pg from 'pg'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { startChild } from '../support/child.js'
import { codeOf } from '../support/code-of.js'
import {
  describeEachDriver,
  describeEachShakyDriver,
  openShop,
  orderEvents,
  rowsOf,
  type ShopDb,
} from '../support/drivers.js'
import { drivers, isNetworked } from '../support/outbox-databases.js'
import { PostgresProxy } from '../support/postgres-proxy.js'
import { describeWithPgBouncer } from '../support/private-pgbouncer.js'
import { withTables } from '../support/table-sets.js'

const script = new URL('./fixtures/listen.ts', import.meta.url)
let names = 0

/** A relay that listens, and has nothing to do. */
async function startListening(db: ShopDb, options: Partial<RelayOptions> = {}) {
  const publisher = memoryPublisher()
  const name = `listens-${++names}`
  const never = { minPollMs: 600_000, maxPollMs: 600_000 }
  const backoff = { minBackoffMs: 10, maxBackoffMs: 100 }
  const relay = createRelay({ db, publisher, name, listen: true, ...never, ...backoff, ...options })
  onTestFinished(() => relay.stop({ timeoutMs: 100 }))
  const failed = vi.fn()
  relay.on('listenFailed', failed)
  await relay.start()
  const isListening = () =>
    expect.poll(() => relay.status()).toMatchObject({ listening: true, state: 'idle' })
  await isListening()
  publisher.clear()
  return { relay, publisher, failed, isListening }
}

const record = (db: ShopDb, id: string) =>
  db.transaction(async (tx) => tx.outbox.add(orderEvents.shipped(id, { carrier: 'dhl' })))

interface Backend extends Record<string, unknown> {
  readonly pid: number
  readonly port: number
}

/** Those of this database that listen. */
async function listening(db: ShopDb): Promise<Backend[]> {
  const result = await db.execute<Backend>(sql`
    select pid, client_port as port from pg_stat_activity
    where datname = current_database() and query like 'listen %' and pid <> pg_backend_pid()`)
  return rowsOf(result)
}

describeEachDriver('a relay that listens', (shop, driver) => {
  it('is woken by each commit through another database object', async () => {
    const { publisher } = await startListening(shop().db)
    const writer = shop().open({ notify: true })
    for (const id of ['a', 'b', 'c']) {
      await record(writer, id)
      await expect.poll(() => publisher.published.map(({ subject }) => subject)).toContain(id)
    }
  })

  it('is woken after the last commit of every burst', async () => {
    const { publisher } = await startListening(shop().db)
    const writer = shop().open({ notify: true })
    for (let burst = 1; burst <= 40; burst++) {
      const ids = Array.from({ length: 1 + (burst % 7) }, (_, nth) => `burst-${burst}-${nth}`)
      await Promise.all(ids.map((id) => record(writer, id)))
      await expect
        .poll(() => publisher.published.map(({ subject }) => subject), { interval: burst % 5 })
        .toEqual(expect.arrayContaining(ids))
    }
  })

  it.each([
    { schema: 'Quoted "schema"', prefix: 'shop.ü_' },
    { schema: 'messaging', prefix: 'Shop_' },
  ])('is woken in the set of tables $schema, $prefix', async (tables) => {
    const db = withTables(shop().connect(), tables)
    await migrateOutbox(db, tables)
    const { publisher } = await startListening(db)
    await record(shop().open({ notify: true, tables }), 'elsewhere')
    await expect.poll(() => publisher.published).toHaveLength(1)
  })

  it('does not listen while it stands by, and listens when it takes over', async () => {
    const { db } = shop()
    const { relay } = await startListening(db, { name: 'one-of-two' })
    const publisher = memoryPublisher()
    const other = createRelay({ db, publisher, name: 'one-of-two', listen: true })
    onTestFinished(() => other.stop())
    await other.start()
    await expect.poll(() => other.status().state).toBe('standby')
    expect(other.status().listening).toBe(false)
    if (isNetworked(driver)) expect(await listening(db)).toHaveLength(1)
    await relay.stop()
    expect(relay.status().listening).toBe(false)
    await expect.poll(() => other.status().listening).toBe(true)
  })

  it('leaves no connection when it has stopped', async () => {
    const { relay } = await startListening(shop().db)
    if (isNetworked(driver)) expect(await listening(shop().db)).toHaveLength(1)
    await relay.stop()
    await expect.poll(() => listening(shop().db)).toEqual([])
  })
})

describeEachShakyDriver('a relay that listens', (shop) => {
  /** A database whose relay listens by way of the proxy, each time after `before`, and does all else without it. */
  const openListener = (before?: () => Promise<unknown>): ShopDb => {
    const { db, openShaky } = shop()
    const listenShakily = openShaky()['~drizzle-outbox'].listen!
    const listen: typeof listenShakily = async (...args) => {
      await before?.()
      return listenShakily(...args)
    }
    return Object.create(db, { '~drizzle-outbox': { value: { ...db['~drizzle-outbox'], listen } } })
  }

  /** What listens by way of the proxy is half open from now on. */
  const silenceListener = async () => {
    const { db, proxy } = shop()
    for (const { port } of await listening(db)) proxy.silence(port)
  }

  it('listens anew when its backend was ended, and looks for what it missed', async () => {
    const { db } = shop()
    const silent = shop().open()
    let meanwhile: Promise<unknown> | undefined
    const listener = openListener(async () => meanwhile)
    const { relay, publisher, failed, isListening } = await startListening(listener)
    relay.on('listenFailed', () => {
      meanwhile = record(silent, 'meanwhile')
    })
    const [backend] = await listening(db)
    await db.execute(sql`select pg_terminate_backend(${backend!.pid})`)
    await expect.poll(() => failed.mock.calls.length).toBeGreaterThan(0)
    expect(failed.mock.calls[0]![0]).toMatchObject({
      error: { code: 'ERR_OUTBOX_DATABASE_FAILED' },
      attempt: 1,
    })
    await isListening()
    await expect.poll(() => publisher.published).toHaveLength(1)
    await record(shop().open({ notify: true }), 'later')
    await expect.poll(() => publisher.published).toHaveLength(2)
  })

  it('notices that its connection is half open, and listens on another one', async () => {
    const { publisher, failed, isListening } = await startListening(openListener(), { heartbeatMs: 200 })
    const writer = shop().open({ notify: true })
    await silenceListener()
    await record(writer, 'unheard')
    await expect.poll(() => failed.mock.calls.length).toBeGreaterThan(0)
    expect(failed.mock.calls[0]![0].error).toMatchObject({
      code: 'ERR_OUTBOX_NOTIFICATION_MISSED',
      details: { timeoutMs: 200 },
    })
    await isListening()
    await expect.poll(() => publisher.published).toHaveLength(1)
    await record(writer, 'heard')
    await expect.poll(() => publisher.published).toHaveLength(2)
  })

  it('goes on polling while it cannot listen, and listens when it can again', async () => {
    const { proxy, db } = shop()
    const poll = { minPollMs: 5, maxPollMs: 20 }
    const { relay, publisher, failed, isListening } = await startListening(openListener(), poll)
    proxy.refuse(true)
    onTestFinished(() => proxy.refuse(false))
    await expect.poll(() => failed.mock.calls.length).toBeGreaterThan(2)
    expect(relay.status()).toMatchObject({ listening: false, state: 'idle' })
    await record(db, 'polled')
    await expect.poll(() => publisher.published).toHaveLength(1)
    proxy.refuse(false)
    await isListening()
  })

  it('stops although its connection is half open', async () => {
    const { relay } = await startListening(openListener())
    await silenceListener()
    await relay.stop()
    expect(relay.status()).toMatchObject({ state: 'stopped', listening: false })
  })
})

describeEachDriver('a writer that notifies', (shop, driver) => {
  it.runIf(isNetworked(driver))('commits all the same when its only connection is taken again', async () => {
    const { publisher } = await startListening(shop().db)
    const writer = shop().open({ notify: true }, { connections: 1 })
    await record(writer, 'first')
    await writer.transaction(async (tx) => {
      await tx.execute(sql`select pg_sleep(0.05)`)
      tx.outbox.add(orderEvents.shipped('second', { carrier: 'dhl' }))
    })
    await expect.poll(() => publisher.published).toHaveLength(2)
  })

  it('commits all the same when the database cannot be told', async () => {
    const { publisher } = await startListening(shop().db, { minPollMs: 5, maxPollMs: 20 })
    const db = shop().connect()
    const writer = withOutbox(
      Object.create(db, { execute: { value: () => Promise.reject(new Error('on purpose')) } }) as typeof db,
      { source: '/shop', notify: true },
    )
    for (const id of ['a', 'b']) await record(writer, id)
    await expect.poll(() => publisher.published).toHaveLength(2)
  })

  it('says nothing of transactions without events, or that roll back', async () => {
    const statements: string[] = []
    const config = { logger: { logQuery: (text: string) => statements.push(text) } }
    const db = shop().open({ notify: true }, { config })
    await db.transaction(async () => {})
    const failing = db.transaction(async (tx) => {
      tx.outbox.add(orderEvents.shipped('never', { carrier: 'dhl' }))
      throw new Error('on purpose')
    })
    await expect(failing).rejects.toThrow('on purpose')
    const notifications = () => statements.filter((text) => text.includes('pg_notify'))
    await sleep(20)
    expect(notifications()).toEqual([])
    await record(db, 'once')
    await expect.poll(notifications).toHaveLength(1)
  })
})

describe.each(drivers)('a process of its own (%s)', (driver) => {
  it('has a relay that is woken from another process, and then ends', async () => {
    const shop = await openShop(driver)
    onTestFinished(shop.close)
    const { line, ended } = startChild(script, shop.url, driver, '5000')
    expect(await line()).toBe('listening')
    const writer = shop.open({ notify: true })
    for (const id of ['1', '2']) {
      await record(writer, id)
      expect(await line()).toBe(`published ${id}`)
    }
    expect(await line()).toBe('published 3')
    expect(await ended).toEqual([0, null])
  })

  it('ends although its relay listened on a connection that is half open', async () => {
    const shop = await openShop(driver)
    onTestFinished(shop.close)
    const url = new URL(shop.url)
    const proxy = await PostgresProxy.start(Number(url.port))
    onTestFinished(() => proxy.stop())
    url.port = String(proxy.port)
    const { line, ended } = startChild(script, url.href, driver, '200')
    expect(await line()).toBe('listening')
    for (const { port } of await listening(shop.db)) proxy.silence(port)
    expect(await line()).toBe('ERR_OUTBOX_NOTIFICATION_MISSED')
    expect(await ended).toEqual([0, null])
  })
})

it('is refused on drivers that cannot listen', async () => {
  const db = withOutbox(drizzle({ client: new pg.Client() }), { source: '/shop' })
  const create = () => createRelay({ db, publisher: memoryPublisher(), listen: true })
  expect(codeOf(create)).toBe('ERR_OUTBOX_OPTION_INVALID')
})

describeWithPgBouncer('through PgBouncer', {}, (bouncer) => {
  it.each(drivers)('says that it cannot listen, and polls (%s)', async (driver) => {
    const shop = await openShop(driver)
    onTestFinished(shop.close)
    const db = shop.open({ notify: true }, { url: bouncer().through(shop.url) })
    const publisher = memoryPublisher()
    const relay = createRelay({ db, publisher, listen: true, heartbeatMs: 100, minBackoffMs: 10 })
    onTestFinished(() => relay.stop({ timeoutMs: 100 }))
    const failed = vi.fn()
    const listens = vi.fn()
    relay.on('listenFailed', failed)
    relay.on('listening', listens)
    await relay.start()
    await expect.poll(() => failed.mock.calls.length).toBeGreaterThan(2)
    const codes = failed.mock.calls.map(([{ error }]) => error.code)
    expect(codes).toContain('ERR_OUTBOX_NOTIFICATION_MISSED')
    expect(listens).not.toHaveBeenCalled()
    await record(shop.db, 'polled')
    await expect.poll(() => publisher.published).toHaveLength(1)
  })
})
