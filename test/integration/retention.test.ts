import { sql } from 'drizzle-orm'
import {
  createRelay,
  deadLetters,
  forgetRelay,
  memoryPublisher,
  migrateOutbox,
  type Publisher,
  pruneOutbox,
  type Relay,
  type RelayOptions,
  replay,
} from 'drizzle-outbox'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { describeEachDriver, Order, orderEvents, rowsOf, type ShopDb } from '../support/drivers.js'
import { gate } from '../support/gate.js'
import { isNetworked } from '../support/outbox-databases.js'
import { faultyPublisher, refusingPublisher, unavailableOutcome } from '../support/publishers.js'
import { store } from '../support/table-sets.js'
import { withTrouble } from '../support/trouble.js'

const relays: Relay[] = []
afterEach(async () => {
  await Promise.all(relays.splice(0).map((relay) => relay.stop({ timeoutMs: 1000 })))
})

const patience = { timeout: 30_000 }

describeEachDriver('retention', (shop, driver) => {
  // The log is shared by all its relays: so each test has one of its own.
  let db: ShopDb
  let logs = 0
  beforeEach(async () => {
    const tables = { prefix: `log_${++logs}_` }
    db = shop().open({ tables })
    await migrateOutbox(db, tables)
  })
  const table = (name: string) => sql.identifier(`log_${logs}_${name}`)
  const idsInLog = async () => {
    const rows = await db.execute<{ id: string }>(
      sql`select aggregate_id as id from ${table('events')} order by position`,
    )
    return rowsOf(rows).map(({ id }) => id)
  }
  const grow = (hours: number) =>
    db.execute(sql`update ${table('events')} set occurred_at = occurred_at - ${hours} * interval '1 hour'`)

  function relayOf(name: string, publisher: Publisher, options: Partial<RelayOptions> = {}): Relay {
    const quick = { minPollMs: 5, maxPollMs: 20, minBackoffMs: 5, maxBackoffMs: 20 }
    const relay = createRelay({ db, name, publisher, ...quick, ...options })
    relays.push(relay)
    return relay
  }

  it('deletes what is published, and an aggregate goes on with the next version', async () => {
    const relay = relayOf('now', memoryPublisher(), { retentionMs: 0 })
    const pruned = vi.fn()
    relay.on('pruned', ({ events }) => pruned(events))
    await relay.start()
    await store(db, 'a', 'a', 'b')
    await expect.poll(idsInLog, patience).toEqual([])
    expect(pruned.mock.calls.flat().reduce((sum, count) => sum + count)).toBe(3)
    const order = new Order('a', 2)
    order.ship()
    await db.transaction(async (tx) => tx.outbox.add(order))
    expect(order.version).toBe(3)
    expect(relay.status().published).toBeGreaterThanOrEqual(3)
  })

  it('keeps events for seven days, and for good where it is false', async () => {
    await store(db, 'old')
    await grow(7 * 24 + 1)
    await store(db, 'young')
    await grow(7 * 24 - 1)
    const statements: string[] = []
    const watched = withTrouble(
      db,
      () => {},
      (statement) => statements.push(statement),
    )
    const prunes = () => statements.filter((statement) => statement.includes('looked_at')).length
    const keeping = createRelay({
      db: watched,
      name: 'keeps',
      publisher: memoryPublisher(),
      retentionMs: false,
    })
    relays.push(keeping)
    await keeping.start()
    await keeping.drain()
    await keeping.stop()
    expect(prunes()).toBe(0)

    const relay = createRelay({ db: watched, name: 'keeps', publisher: memoryPublisher() })
    relays.push(relay)
    await relay.start()
    await expect.poll(idsInLog, patience).toEqual(['young'])
    await expect.poll(prunes, patience).toBeGreaterThan(1) // it has looked again, and found the young one
    expect(await idsInLog()).toEqual(['young'])
  })

  it('waits for a relay that is behind, until that one is forgotten', async () => {
    await store(db, 'both')
    await relayOf('slow', memoryPublisher()).drain()
    await store(db, 'one')
    const fast = relayOf('fast', memoryPublisher(), { retentionMs: 0 })
    await fast.start()
    await expect.poll(idsInLog, patience).toEqual(['one'])

    const slow = relayOf('slow', faultyPublisher(unavailableOutcome).publisher)
    await slow.start()
    await expect.poll(() => slow.status().state, patience).toBe('paused')
    await expect(forgetRelay(db, 'slow')).rejects.toMatchObject({
      code: 'ERR_OUTBOX_RELAY_ACTIVE',
      details: { relay: 'slow', owner: slow.status().owner },
    })
    await slow.stop({ timeoutMs: 100 })
    await db.execute(sql`
      insert into ${table('dead_letters')} (relay, position, event_id, aggregate_type, aggregate_id, type, state)
      select name, 1, gen_random_uuid(), 'order', 'x', 'order.shipped', 'parked' from ${table('relays')}`)
    expect(await forgetRelay(db, 'slow')).toBe(true)
    expect(await forgetRelay(db, 'slow')).toBe(false)
    await expect.poll(idsInLog, patience).toEqual([])
    const letters = await db.execute(sql`select relay from ${table('dead_letters')}`)
    expect(rowsOf(letters)).toEqual([{ relay: 'fast' }])
  })

  it('keeps a dead letter until it is discarded, and then deletes both', async () => {
    const { publisher, published } = refusingPublisher(({ aggregateId }) => aggregateId === 'bad')
    const relay = relayOf('default', publisher, { maxAttempts: 1 })
    await store(db, 'good', 'bad', 'bad', 'good')
    await relay.drain()
    expect(published()).toEqual(['good/1', 'good/2'])
    expect(await pruneOutbox(db, { olderThanMs: 0 })).toBe(2)
    expect(await idsInLog()).toEqual(['bad', 'bad'])
    await deadLetters(db).discard({ aggregate: { type: 'order', id: 'bad' } })
    await deadLetters(db).discard({ aggregate: { type: 'order', id: 'bad' }, state: 'waiting' })
    expect(await pruneOutbox(db, { olderThanMs: 0 })).toBe(2)
    expect(await deadLetters(db).list({ state: ['discarded', 'waiting', 'parked'] })).toEqual([])
  })

  it('keeps what is to be published again', async () => {
    const publisher = memoryPublisher()
    await store(db, 'a', 'b', 'c')
    await relayOf('default', publisher).drain()
    await replay(db, { from: { position: 2 } })
    expect(await pruneOutbox(db, { olderThanMs: 0 })).toBe(1)
    publisher.clear()
    await relayOf('default', publisher).drain()
    expect(publisher.published.map(({ subject }) => subject)).toEqual(['b', 'c'])
    expect(await pruneOutbox(db, { olderThanMs: 0 })).toBe(2)
  })

  it('works a backlog off, batch by batch, while events are published', async () => {
    await store(db, 'first')
    await db.execute(sql`
      insert into ${table('events')} (id, aggregate_type, aggregate_id, aggregate_version, type, data)
      select gen_random_uuid(), 'order', 'backlog', n, 'order.shipped', '{"carrier":"x"}'
      from generate_series(1, 25000) n`)
    await db.execute(sql`
      insert into ${table('relays')} (name, snapshot, cluster, epoch)
      select 'default', pg_current_snapshot(), system_identifier::text, 0 from pg_control_system()`)
    await grow(1)
    const relay = relayOf('default', memoryPublisher(), { retentionMs: 60_000 })
    const batches: number[] = []
    relay.on('pruned', ({ events }) => batches.push(events))
    await relay.start()
    await store(db, 'new')
    await expect.poll(idsInLog, patience).toEqual(['new'])
    expect(batches.length).toBeGreaterThan(2)
  })

  it('says that it cannot delete, and publishes all the same', async () => {
    const publisher = memoryPublisher()
    const forbidden = withTrouble(db, (statement) => {
      if (statement.includes('looked_at')) throw new Error('permission denied')
    })
    const relay = createRelay({ db: forbidden, publisher })
    relays.push(relay)
    const failed = vi.fn()
    relay.on('pruneFailed', ({ error }) => failed(error.message))
    await store(db, 'a')
    await relay.start()
    await expect.poll(() => failed.mock.calls, patience).toEqual([['the database failed: permission denied']])
    await expect.poll(() => publisher.published, patience).toHaveLength(1)
  })

  it('on request goes through the whole log, and tells how far it is', async () => {
    await store(db, 'a', 'b')
    expect(await pruneOutbox(db, { olderThanMs: 0 })).toBe(0) // no relay has published it
    await relayOf('default', memoryPublisher()).drain()
    expect(await pruneOutbox(db)).toBe(0) // too young
    await store(db, 'c')
    const progress = vi.fn()
    expect(await pruneOutbox(db, { olderThanMs: 0, onProgress: progress })).toBe(2)
    expect(progress.mock.calls).toEqual([[{ events: 2, position: 3 }]])
    expect(await idsInLog()).toEqual(['c'])
    await expect(pruneOutbox(db, { olderThanMs: -1 })).rejects.toMatchObject({
      code: 'ERR_OUTBOX_OPTION_INVALID',
    })
    await expect(pruneOutbox(db, { signal: AbortSignal.abort('enough') })).rejects.toBe('enough')
  })

  it.runIf(isNetworked(driver))(
    'loses nothing of concurrent transactions, one of which commits late, with two relays that delete at once',
    async () => {
      const publishers = [memoryPublisher(), memoryPublisher()]
      const both = publishers.map((publisher, n) =>
        relayOf(`relay-${n}`, publisher, { retentionMs: 0, batchSize: 7 }),
      )
      await Promise.all(both.map((relay) => relay.start()))
      const [begun, end] = [gate(), gate()]
      const late = db.transaction(async (tx) => {
        await tx.execute(sql`
          insert into ${table('events')} (id, aggregate_type, aggregate_id, aggregate_version, type, data)
          values (gen_random_uuid(), 'order', 'late', 1, 'order.shipped', '{"carrier":"x"}')`)
        begun.open()
        await end.opened
      })
      await begun.opened
      const prune = async () => {
        for (let n = 0; n < 20; n++) await pruneOutbox(db, { olderThanMs: 0 })
      }
      const write = async (writer: number) => {
        for (let n = 0; n < 50; n++)
          await db.transaction(async (tx) =>
            tx.outbox.add(
              orderEvents.shipped(`w-${writer}`, { carrier: 'x' }),
              orderEvents.shipped('shared', { carrier: 'x' }),
            ),
          )
      }
      await Promise.all([...[1, 2, 3, 4].map(write), prune(), prune()])
      end.open()
      await late
      await Promise.all(both.map((relay) => relay.drain()))
      for (const { recorded } of publishers) {
        const upTo = (count: number) => Array.from({ length: count }, (_, n) => n + 1)
        const versionsOf = (id: string) =>
          recorded.filter(({ aggregateId }) => aggregateId === id).map((event) => event.aggregateVersion)
        for (const writer of [1, 2, 3, 4]) expect(versionsOf(`w-${writer}`)).toEqual(upTo(50))
        expect(versionsOf('shared')).toEqual(upTo(200))
        expect(versionsOf('late')).toEqual([1])
      }
      await pruneOutbox(db, { olderThanMs: 0 }) // relays come back to what committed late, but not so soon
      expect(await idsInLog()).toEqual([])
    },
  )
})
