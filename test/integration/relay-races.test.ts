import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'drizzle-orm'
import { createRelay, memoryPublisher, type Publisher, type RelayOptions } from 'drizzle-outbox'
import { jetStreamPublisher } from 'drizzle-outbox/jetstream'
import pg from 'pg'
import { expect, it, onTestFinished, vi } from 'vitest'
import type { EventLog } from '../../src/event-log/database.js'
import { LogReader } from '../../src/event-log/log-reader.js'
import { claimRelay } from '../../src/event-log/relay-row.js'
import { Lease } from '../../src/relay/lease.js'
import { describeEachDriver, orderEvents, rowsOf, type ShopDb } from '../support/drivers.js'
import { isNetworked } from '../support/outbox-databases.js'
import { faultyPublisher, unavailableOutcome } from '../support/publishers.js'
import { withTrouble } from '../support/trouble.js'

const record = (db: ShopDb, count = 1) =>
  db.transaction(async (tx) => {
    for (let i = 0; i < count; i++) tx.outbox.add(orderEvents.shipped(`order-${i}`, { carrier: 'x' }))
  })

const quick: Partial<RelayOptions> = { minPollMs: 5, maxPollMs: 20, minBackoffMs: 5, maxBackoffMs: 10 }
const isCheckpoint = (statement: string) => statement.includes('page = greatest')
const isClaim = (statement: string) => statement.includes('insert into "outbox_relays"')
const isLook = (statement: string) => statement.includes('with news as')
const isRenewal = (statement: string) => statement.includes('set lease_until')

async function compare({ db }: EventLog, written: string, flushedTo: string) {
  const query = sql`select (${flushedTo}::text::pg_lsn >= ${written}::text::pg_lsn)::text as flushed`
  const [row] = rowsOf((await db.execute(query)) as { rows: { flushed: string }[] })
  return row ?? { flushed: 'unknown' }
}

describeEachDriver('races of a relay', (shop, driver) => {
  it('a renewal that arrives after the release does not take the lease back', async () => {
    const renewals = vi.fn(() => sleep(100))
    const meddle = (statement: string) => (isRenewal(statement) ? renewals() : undefined)
    const slow = withTrouble(shop().db, meddle)['~drizzle-outbox'].log
    const lease = await Lease.acquire(slow, { name: 'revived', owner: 'one', leaseMs: 300, marginMs: 10 })
    await expect.poll(() => renewals.mock.calls.length).toBe(1)
    await lease?.release()
    await sleep(150)
    expect(await claimRelay(slow, 'revived', 'two', 60_000)).toMatchObject({ epoch: '2' })
  })

  it.runIf(isNetworked(driver))(
    'a window that could not be opened, because a claim was faster, is not an empty log',
    async () => {
      const { db, url } = shop()
      const { log } = db['~drizzle-outbox']
      await record(db)
      const claim = await claimRelay(log, 'outrun', 'one', 60_000)
      if (!claim) throw new Error('nobody else can hold it')
      const reader = await LogReader.load(log, claim, '/shop')
      const other = new pg.Client(url)
      await other.connect()
      await other.query(`begin; update outbox_relays set epoch = epoch + 1 where name = 'outrun'`)
      const opened = expect(reader.openWindow()).rejects.toMatchObject({ code: 'ERR_OUTBOX_LEASE_LOST' })
      await sleep(100) // it waits for the row
      await other.query('commit')
      await other.end()
      await opened
    },
  )

  it('a standby leaves the row alone while others commit', async () => {
    const { db } = shop()
    await claimRelay(db['~drizzle-outbox'].log, 'crowded', 'other', 60_000)
    const claims = vi.fn()
    const watched = withTrouble(db, (statement) => isClaim(statement) && claims())
    const relay = createRelay({ db: watched, name: 'crowded', publisher: memoryPublisher(), ...quick })
    await relay.start()
    await expect.poll(() => claims.mock.calls.length).toBe(1)
    for (let i = 0; i < 20; i++) await record(db)
    expect(claims.mock.calls.length).toBeLessThan(5)
    await relay.stop()
  })

  it('a checkpoint that fails costs the pages since the last one, not the window', async () => {
    const { db } = shop()
    await createRelay({ db, name: 'checkpoints', publisher: memoryPublisher() }).drain()
    await record(db, 100)
    let failed = false
    const troubled = withTrouble(db, (statement) => {
      if (failed || !isCheckpoint(statement)) return
      failed = true
      throw new Error('a moment of trouble')
    })
    const publisher = memoryPublisher()
    const relay = createRelay({ db: troubled, name: 'checkpoints', publisher, batchSize: 5, ...quick })
    let duplicates = 0
    relay.on('published', (event) => {
      duplicates += event.duplicates
    })
    await relay.drain()
    expect(failed).toBe(true)
    expect(publisher.published).toHaveLength(100)
    expect(duplicates).toBeLessThanOrEqual(15)
  })

  it('a start that waits for a broker ends with stop', async () => {
    const publisher = jetStreamPublisher({
      connection: () => new Promise(() => {}),
      stream: { name: 'NEVER' },
    })
    const relay = createRelay({ db: shop().db, name: 'waiting', publisher })
    const started = expect(relay.start()).rejects.toMatchObject({ code: 'ERR_OUTBOX_RELAY_STOPPED' })
    await relay.stop({ timeoutMs: 50 })
    await started
    expect(relay.status().state).toBe('stopped')
  })

  it('a start does not wait for ever for a broker that does not answer', async () => {
    const publisher = jetStreamPublisher({
      connection: () => new Promise(() => {}),
      stream: { name: 'NEVER' },
      publishTimeoutMs: 50,
    })
    const relay = createRelay({ db: shop().db, name: 'unanswered', publisher, ...quick })
    await relay.start()
    await expect.poll(() => relay.status()).toMatchObject({ error: { code: 'ERR_OUTBOX_UNAVAILABLE' } })
    await relay.stop()
  })

  it('a drain that asks while the log is looked at is not answered by that look', async () => {
    const { db } = shop()
    const publisher = memoryPublisher()
    let published: Promise<number> | undefined
    let armed = false
    const slow = withTrouble(
      db,
      () => {},
      async (statement) => {
        if (!armed || !isLook(statement)) return
        armed = false
        await record(db) // the look has missed it, and its answer is on the way
        published = relay.drain().then(() => publisher.published.length)
        await sleep(20)
      },
    )
    const relay = createRelay({ db: slow, name: 'asked-late', publisher, ...quick })
    await relay.drain()
    publisher.clear()
    await relay.start()
    armed = true
    await expect.poll(() => published !== undefined).toBe(true)
    expect(await published).toBe(1)
    await relay.stop()
  })

  it('a relay that was started stays started when a drain ends', async () => {
    const relay = createRelay({ db: shop().db, name: 'wanted', publisher: memoryPublisher(), ...quick })
    const drained = relay.drain()
    await relay.start()
    await drained
    expect(relay.status().state).not.toBe('stopped')
    await Promise.all([relay.stop(), relay.stop({ timeoutMs: Number.POSITIVE_INFINITY })])
    const both = await Promise.allSettled([relay.drain(), relay.drain()])
    expect(both.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled'])
    expect(relay.status().state).toBe('stopped')
  })

  it('a drain ends with its signal, also while the relay starts', async () => {
    const stuck = withTrouble(shop().db, () => new Promise(() => {}))
    const relay = createRelay({ db: stuck, name: 'stuck', publisher: memoryPublisher(), ...quick })
    await expect(relay.drain({ signal: AbortSignal.timeout(50) })).rejects.toMatchObject({
      name: 'TimeoutError',
    })
    expect(relay.status().state).toBe('stopped')
  })

  it('a stop ends a publisher that does not listen to its signal', async () => {
    const { db } = shop()
    const publisher = { ...memoryPublisher(), publish: () => new Promise<never>(() => {}) }
    const relay = createRelay({ db, name: 'deaf', publisher, ...quick })
    await record(db)
    await relay.start()
    await expect.poll(() => relay.status().state).toBe('publishing')
    await relay.stop({ timeoutMs: 20 })
    expect(relay.status().state).toBe('stopped')
  })

  it('a standby that gets through to the database again says so', async () => {
    const { db } = shop()
    await claimRelay(db['~drizzle-outbox'].log, 'behind', 'other', 60_000)
    let away = false
    const flaky = withTrouble(db, () => {
      if (away) throw new Error('the database is away')
    })
    const relay = createRelay({
      db: flaky,
      name: 'behind',
      publisher: memoryPublisher(),
      ...quick,
      leaseMs: 60,
    })
    const resumed = vi.fn()
    relay.on('resumed', resumed)
    relay.on('paused', () => {
      away = false
    })
    await relay.start()
    away = true
    await expect.poll(() => resumed.mock.calls.length).toBe(1)
    await relay.stop()
  })

  it.runIf(isNetworked(driver))(
    'a window is on disk before it is read, whatever the session says of commits',
    async () => {
      const { log } = shop().open()['~drizzle-outbox']
      const lsn = async (which: 'insert' | 'flush') => {
        const query = sql`select pg_current_wal_${sql.raw(which)}_lsn()::text as lsn`
        return rowsOf((await log.db.execute(query)) as { rows: { lsn: string }[] })[0]?.lsn ?? ''
      }
      await log.db.execute(sql`alter role current_user set synchronous_commit = off`)
      try {
        const fresh = shop().open({}, { connections: 1 })
        const claim = await claimRelay(fresh['~drizzle-outbox'].log, 'durable', 'one', 60_000)
        if (!claim) throw new Error('nobody else can hold it')
        const reader = await LogReader.load(fresh['~drizzle-outbox'].log, claim, '/shop')
        for (let i = 0; i < 5; i++) {
          await record(fresh)
          const committed = await lsn('insert')
          await reader.openWindow()
          const { flushed } = await compare(log, committed, await lsn('flush'))
          expect(flushed).toBe('true')
          await reader.closeWindow({ position: i + 1 })
        }
      } finally {
        await log.db.execute(sql`alter role current_user reset synchronous_commit`)
      }
    },
  )

  it('a page that may not go, for want of a sure lease, is not overtaken by the next', async () => {
    const { db } = shop()
    await record(db, 20)
    const memory = memoryPublisher()
    const publisher: Publisher = {
      ...memory,
      maxOpenPages: 2,
      publish: (events, options) => memory.publish(events, { ...options, maySend: () => true }),
    }
    const relay = createRelay({ db, name: 'unsure', publisher, batchSize: 5, ...quick })
    // For the first page it is sure, for the second it is not, and then it was renewed.
    const isSure = vi.spyOn(Lease.prototype, 'isSure').mockReturnValueOnce(true).mockReturnValueOnce(false)
    onTestFinished(() => isSure.mockRestore())
    await relay.drain()
    const positions = memory.recorded.map(({ position }) => position)
    expect(positions).toEqual(positions.toSorted((a, b) => a - b))
    expect(new Set(positions).size).toBe(positions.length)
  })

  it('a drain that comes while the relay stops does not leave it running', async () => {
    const relay = createRelay({ db: shop().db, name: 'restless', publisher: memoryPublisher(), ...quick })
    await relay.start()
    const [, drained] = await Promise.allSettled([relay.stop(), relay.drain()])
    expect(drained.status).toBe('fulfilled')
    expect(relay.status().state).toBe('stopped')
  })

  it('a relay that goes on after a pause says so, also within a window', async () => {
    const { db } = shop()
    await record(db, 20)
    const states: string[] = []
    const { publisher } = faultyPublisher((events) => {
      states.push(relay.status().state)
      return states.length === 1 ? unavailableOutcome(events) : undefined
    })
    const relay = createRelay({ db, name: 'states', publisher, batchSize: 5, ...quick })
    await relay.drain()
    expect(states.slice(0, 4)).toEqual(['publishing', 'paused', 'publishing', 'publishing'])
  })
})
