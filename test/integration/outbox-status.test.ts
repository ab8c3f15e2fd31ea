import { sql } from 'drizzle-orm'
import { createRelay, memoryPublisher, readOutboxStatus, withOutbox } from 'drizzle-outbox'
import { expect, it } from 'vitest'
import { describeEachDriver, rowsOf, type ShopDb } from '../support/drivers.js'
import { gate } from '../support/gate.js'
import { isNetworked } from '../support/outbox-databases.js'
import { faultyPublisher, unavailableOutcome } from '../support/publishers.js'
import { shipped, store } from '../support/table-sets.js'

const progressOf = async (db: ShopDb, name: string, retentionMs?: number) => {
  const { relays } = await readOutboxStatus(db, retentionMs === undefined ? {} : { retentionMs })
  return relays.find((relay) => relay.name === name)
}

const snapshotOf = async (db: ShopDb) =>
  rowsOf(await db.execute<{ now: string }>(sql`select pg_current_snapshot()::text as now`))[0]!.now

describeEachDriver('readOutboxStatus', (shop, driver) => {
  it('says what a relay has pending, for how long, and who holds its lease', async () => {
    const { db } = shop()
    await store(db, 'a', 'b')
    await db.execute(sql`update outbox_events set occurred_at = clock_timestamp() - interval '1 hour'`)
    let away = true
    const { publisher } = faultyPublisher((events) => (away ? unavailableOutcome(events) : undefined))
    const relay = createRelay({ db, publisher, name: 'lagging', maxBackoffMs: 100 })
    await relay.start()
    await expect.poll(() => relay.status().state).toBe('paused')
    const behind = await progressOf(db, 'lagging', 3_500_000)
    expect(behind).toMatchObject({
      lease: 'held',
      epoch: 1,
      pendingEvents: 2,
      deadLetters: 0,
      replaying: false,
    })
    expect(behind).toMatchObject({ owner: relay.status().owner, holdsRetentionBack: true })
    expect(behind?.inactiveMs).toBeLessThan(60_000)
    expect(behind?.oldestPendingAgeMs).toBeGreaterThanOrEqual(3_600_000)
    expect(behind?.oldestPendingAgeMs).toBeLessThan(3_700_000)
    expect(await progressOf(db, 'lagging')).toMatchObject({ holdsRetentionBack: false })

    away = false
    await relay.drain()
    await relay.stop()
    const done = await progressOf(db, 'lagging', 0)
    expect(done).toMatchObject({ lease: 'free', pendingEvents: 0, holdsRetentionBack: false })
    expect(done).toMatchObject({ owner: undefined, oldestPendingAgeMs: undefined })
    await db.execute(sql`
      update outbox_relays set owner = 'gone', lease_until = clock_timestamp() - interval '1 second'
      where name = 'lagging'`)
    expect(await progressOf(db, 'lagging')).toMatchObject({ lease: 'lapsed', owner: 'gone' })
  })

  it('counts exactly what a checkpoint leaves, whatever it is', async () => {
    const { db, connect } = shop()
    const snapshots: string[] = []
    const held = gate()
    const late = gate()
    // Takes its position first and commits last, where there is more than one session.
    const other = withOutbox(connect({ connections: 1 }), { source: '/shop' })
    const slow = isNetworked(driver)
      ? other.transaction(async (tx) => {
          await tx.execute(sql`
            insert into outbox_events (id, aggregate_type, aggregate_id, aggregate_version, type, data)
            values (gen_random_uuid(), 'order', 'slow', 1, 'order.shipped', '{}')`)
          late.open()
          await held.opened
        })
      : late.open()
    await late.opened
    for (let round = 0; round < 4; round++) {
      snapshots.push(await snapshotOf(db))
      await store(db, 'c', 'd')
      await db.transaction(async (tx) => tx.outbox.add(shipped('e')))
    }
    held.open()
    await slow
    snapshots.push(await snapshotOf(db))
    await store(db, 'f')

    let relays = 0
    for (const [from, snapshot] of snapshots.entries())
      for (const next of [null, ...snapshots.slice(from)])
        for (const page of next === null ? [null] : [null, 3, 6, 9])
          await db.execute(sql`
            insert into outbox_relays (name, snapshot, next, page, cluster, epoch)
            values (${`at-${relays++}`}, ${snapshot}, ${next}, ${page}, 'this', 1)`)
    // A replay's window begins with the log.
    for (const page of [0, 4, 11])
      await db.execute(sql`
        insert into outbox_relays (name, snapshot, next, page, replay_from, cluster, epoch)
        values (${`at-${relays++}`}, '1:1:', ${snapshots[4]}, ${page}, ${page + 1}, 'this', 1)`)
    const expected = await db.execute<{ name: string; pending: string }>(sql`
      select name, count(*) filter (
        where not pg_visible_in_snapshot(xid, snapshot)
          and not (next is not null and pg_visible_in_snapshot(xid, next) and position <= coalesce(page, 0))
      )::text as pending
      from outbox_relays cross join outbox_events where name like 'at-%' group by name`)
    const counted = (await readOutboxStatus(db)).relays.filter(({ name }) => name.startsWith('at-'))
    expect(Object.fromEntries(counted.map(({ name, pendingEvents }) => [name, pendingEvents]))).toEqual(
      Object.fromEntries(rowsOf(expected).map(({ name, pending }) => [name, Number(pending)])),
    )
    expect(counted).toHaveLength(relays)
    expect(new Set(counted.map(({ pendingEvents }) => pendingEvents)).size).toBeGreaterThan(8)
    expect(counted.filter(({ replaying }) => replaying)).toHaveLength(3)
  })

  it('counts dead letters that nobody has resolved', async () => {
    const { db } = shop()
    await createRelay({ db, publisher: memoryPublisher(), name: 'refused' }).drain()
    for (const [position, state] of ['retrying', 'sending', 'parked', 'waiting', 'discarded'].entries())
      await db.execute(sql`
        insert into outbox_dead_letters (relay, position, event_id, aggregate_type, aggregate_id, type, state)
        values ('refused', ${position}, gen_random_uuid(), 'order', 'a', 'order.shipped', ${state})`)
    expect(await progressOf(db, 'refused')).toMatchObject({ pendingEvents: 0, deadLetters: 4 })
  })

  it('says how large the log is, by the catalog', async () => {
    const { db } = shop()
    await db.execute(sql`analyze outbox_events`)
    const { log } = await readOutboxStatus(db)
    expect(log.estimatedEvents).toBe(await db.$count(sql`outbox_events`))
    expect(log.bytes).toBeGreaterThan(8192)
  })

  it('says that the tables are missing', async () => {
    const elsewhere = shop().open({ tables: { prefix: 'absent_' } })
    await expect(readOutboxStatus(elsewhere)).rejects.toMatchObject({ code: 'ERR_OUTBOX_TABLES_MISSING' })
  })
})
