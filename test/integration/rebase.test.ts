/** A log whose checkpoints belong to another database cluster. Real ones that were moved: test/faults/moved-databases. */
import { readFile } from 'node:fs/promises'
import { sql } from 'drizzle-orm'
import { createRelay, memoryPublisher, rebaseOutbox } from 'drizzle-outbox'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { describeEachDriver, rowsOf, type Shop, type ShopDb } from '../support/drivers.js'
import { isNetworked } from '../support/outbox-databases.js'
import { publishedBy, store } from '../support/table-sets.js'

const rename = (db: ShopDb) => db.execute(sql`update outbox_relays set cluster = 'another'`)
/** As if it had been brought: by a transaction that is not the one which each row names. */
async function strange(db: ShopDb): Promise<void> {
  await db.execute(sql`update outbox_events set type = type`)
  await rename(db)
}
const xids = async (db: ShopDb) =>
  rowsOf<{ xid: string }>(await db.execute(sql`select xid::text from outbox_events order by position`)).map(
    ({ xid }) => xid,
  )

describeEachDriver('a log from another cluster', (shop, driver) => {
  const ends: (() => unknown)[] = []
  beforeEach(async () => {
    await shop().db.execute(sql`delete from outbox_events`)
    await shop().db.execute(sql`delete from outbox_relays`)
  })
  afterEach(async () => {
    for (const end of ends.splice(0)) await end()
  })

  it('is carried over under a relay that runs, as when its connections end up there', async () => {
    const { db } = shop()
    const publisher = memoryPublisher()
    const relay = createRelay({ db, publisher, minPollMs: 5, maxPollMs: 20, leaseMs: 3000 })
    ends.push(() => relay.stop())
    const told: string[] = []
    for (const type of ['leaseAcquired', 'leaseLost', 'rebased'] as const)
      relay.on(type, () => told.push(type))
    await store(db, 'a', 'b')
    await relay.start()
    await relay.drain()
    await strange(db)
    await store(db, 'a', 'c')
    await expect.poll(() => told, { timeout: 20_000 }).toContain('rebased')
    await relay.drain()
    expect(publisher.published.map(({ subject }) => subject)).toEqual(['a', 'b', 'a', 'c'])
    expect(told).toEqual(['leaseAcquired', 'leaseLost', 'rebased', 'leaseAcquired'])
  })

  it('is carried over without its relays: a new one publishes it from the beginning, in order', async () => {
    const { db } = shop()
    await store(db, 'a', 'b')
    await store(db, 'a')
    await db.execute(sql`update outbox_events set xid = (900000000000 - position)::text::xid8`)
    expect(await publishedBy(db)).toEqual(['a', 'b', 'a'])
    await store(db, 'b')
    expect(await publishedBy(db)).toEqual(['b'])
  })

  it('knows who had published what, however many relays there are', async () => {
    const { db } = shop()
    const names = Array.from({ length: 12 }, (_, i) => `relay-${i}`)
    for (const [i, name] of names.entries()) {
      await store(db, `e${i}`)
      await publishedBy(db, name)
    }
    await strange(db)
    expect(await rebaseOutbox(db)).toBe(true)
    await store(db, 'new')
    for (const [i, name] of names.entries()) {
      const later = names.slice(i + 1).map((_, after) => `e${i + 1 + after}`)
      expect(await publishedBy(db, name)).toEqual([...later, 'new'])
    }
  })

  it('is not written anew after pg_upgrade, which keeps transaction ids', async () => {
    const { db } = shop()
    await store(db, 'a', 'b')
    await publishedBy(db)
    await store(db, 'a')
    const before = await xids(db)
    await rename(db)
    expect(await rejection(rebaseOutbox(db))).toMatchObject({ details: { reason: 'positions-taken' } })
    expect(await rebaseOutbox(db, { upgraded: true })).toBe(true)
    expect(await xids(db)).toEqual(before)
    expect(await publishedBy(db)).toEqual(['a'])
  })

  it('is not taken for upgraded when it has ids that nobody here has given out', async () => {
    const { db } = shop()
    await store(db, 'a', 'b')
    await publishedBy(db)
    await strange(db)
    await db.execute(sql`update outbox_relays set snapshot = '900000:900000:'`)
    const { message } = await rejection(rebaseOutbox(db, { upgraded: true }))
    expect(message).toContain('comes from another database cluster')
    expect(await rebaseOutbox(db)).toBe(true)
    expect(await publishedBy(db)).toEqual([])
  })

  it('whose sequence was left behind is refused once events were recorded, until they are moved', async () => {
    const { db } = shop()
    await store(db, 'a', 'b', 'a', 'c')
    await publishedBy(db)
    await strange(db)
    await leaveSequence(db)
    await store(db, 'b')
    await store(db, 'a')
    const relay = createRelay({ db, publisher: memoryPublisher() })
    expect(await rejection(relay.start())).toMatchObject({ details: { reason: 'positions-taken' } })
    expect(await rejection(rebaseOutbox(db))).toMatchObject({ details: { reason: 'positions-taken' } })
    await run(shop(), await recipe())
    expect(await publishedBy(db)).toEqual(['b', 'a'])
    await store(db, 'b')
    expect(await publishedBy(db)).toEqual(['b'])
  })

  it.each([
    ['was changed since', sql`update outbox_events set data = 'null' where aggregate_id = 'late'`],
    ['was recorded in a savepoint', undefined],
  ])('is refused for an event of here that %s, where the sequence was left behind', async (_, change) => {
    const { db } = shop()
    await store(db, 'a', 'b', 'a', 'c')
    await publishedBy(db)
    await strange(db)
    await leaveSequence(db)
    if (change) {
      await store(db, 'late')
      await db.execute(change)
    } else await db.execute(inSavepoint)
    expect(await rejection(rebaseOutbox(db))).toMatchObject({ details: { reason: 'positions-taken' } })
  })

  it('is not refused for events of here that were changed since, where the sequence came along', async () => {
    const { db } = shop()
    await store(db, 'a', 'b')
    await publishedBy(db)
    await store(db, 'c')
    await strange(db)
    await store(db, 'x')
    await store(db, 'x')
    await db.execute(
      sql`update outbox_events set data = 'null' where aggregate_id = 'x' and aggregate_version = 2`,
    )
    expect(await rebaseOutbox(db)).toBe(true)
    expect(await publishedBy(db)).toEqual(['c', 'x', 'x'])
  })

  it('is not taken for upgraded when a checkpoint sees events that were not published', async () => {
    const { db } = shop()
    await store(db, 'a', 'b')
    await publishedBy(db)
    await strange(db)
    await store(db, 'c')
    // As if this cluster had used up as many ids as the other one since.
    await db.execute(sql`update outbox_relays set snapshot = pg_current_snapshot()`)
    await rejection(rebaseOutbox(db, { upgraded: true }))
    await db.execute(sql`update outbox_events set type = type`)
    expect(await rebaseOutbox(db)).toBe(true)
    expect(await publishedBy(db)).toEqual(['c'])
  })

  it.runIf(isNetworked(driver))('keeps no writer waiting for a transaction that holds the log', async () => {
    const { db, open } = shop()
    await store(db, 'a')
    await publishedBy(db)
    await strange(db)
    let end = () => {}
    const held = new Promise<void>((resolve) => {
      end = resolve
    })
    ends.push(() => end())
    const holding = db.transaction(async (tx) => {
      await tx.execute(sql`lock table outbox_events in row exclusive mode`)
      await held
    })
    expect(await rejection(rebaseOutbox(db))).toMatchObject({ details: { sqlState: '55P03' } })
    const relay = createRelay({ db, publisher: memoryPublisher() })
    ends.push(() => relay.stop({ timeoutMs: 100 }))
    const paused = new Promise((resolve) => relay.on('paused', resolve))
    const started = relay.start()
    await paused
    const hurried = open({}, { settings: { lock_timeout: '10s' } })
    await store(hurried, 'b')
    end()
    await holding
    await started
    await relay.drain()
  })

  it.runIf(isNetworked(driver))('is rewritten whatever the role is used to', async () => {
    const { db, open } = shop()
    await store(db, ...Array.from({ length: 200 }, (_, i) => `e${i}`))
    await publishedBy(db)
    await strange(db)
    const settings = { statement_timeout: '1s', default_transaction_isolation: 'serializable' }
    const usual = open({}, { settings })
    await db.execute(sql`
      create function rebase_slowly() returns trigger language plpgsql as
        'begin perform pg_sleep(0.01); return new; end'`)
    await db.execute(sql`
      create trigger slow before update on outbox_events for each row execute function rebase_slowly()`)
    ends.push(() => db.execute(sql`drop trigger slow on outbox_events`))
    expect(await rebaseOutbox(usual)).toBe(true)
    await store(db, 'new')
    expect(await publishedBy(db)).toEqual(['new'])
  })

  it.runIf(isNetworked(driver))('needs a role that may write it anew', async () => {
    const { db, open } = shop()
    await store(db, 'a')
    await publishedBy(db)
    await strange(db)
    const role = `outbox_reader_${Date.now()}`
    await db.execute(sql.raw(`create role ${role}`))
    ends.push(() => db.execute(sql.raw(`drop owned by ${role}; drop role ${role}`)))
    await db.execute(sql.raw(`grant select, delete on outbox_events to ${role}`))
    await db.execute(sql.raw(`grant select, insert, update on outbox_relays to ${role}`))
    await db.execute(sql.raw(`grant select, insert, update, delete on outbox_dead_letters to ${role}`))
    const limited = open({}, { settings: { role } })
    const relay = createRelay({ db: limited, publisher: memoryPublisher() })
    const error = await rejection(relay.start())
    expect(error).toMatchObject({
      code: 'ERR_OUTBOX_DATABASE_UNFIT',
      details: { reason: 'cluster-changed' },
    })
    await rebaseOutbox(db)
    await relay.start()
    await relay.stop()
  })
})

/** As logical replication leaves it, and with positions that retention has made free. */
async function leaveSequence(db: ShopDb): Promise<void> {
  const [row] = rowsOf<{ first: string }>(
    await db.execute(sql`select min(position)::text as first from outbox_events`),
  )
  const first = Number(row?.first)
  await db.execute(sql`delete from outbox_events where position < ${`${first + 3}`}::text::bigint`)
  await db.execute(sql`select setval('outbox_events_position_seq', ${`${first}`}::text::bigint)`)
}

const inSavepoint = sql.raw(`
  do $$ begin
    insert into outbox_events (id, aggregate_type, aggregate_id, aggregate_version, type, data)
    values (gen_random_uuid(), 'order', 'late', 1, 'order.shipped', '{}');
    perform 1 / 1;
  exception when others then raise;
  end $$`)

async function rejection(promise: Promise<unknown>): Promise<Error> {
  try {
    await promise
  } catch (error) {
    return error as Error
  }
  throw new Error('it was to be refused')
}

/** What docs/operations.md says to do. */
async function recipe(): Promise<string> {
  const page = await readFile(new URL('../../docs/operations.md', import.meta.url), 'utf8')
  const section = /^## Moving the database[\s\S]*?(?=^##)/m.exec(page)?.[0] ?? ''
  return /^```sql\n([\s\S]*?)^```$/m.exec(section)?.[1] ?? ''
}

const run = ({ db }: Shop, statement: string) => db.execute(sql.raw(statement))
