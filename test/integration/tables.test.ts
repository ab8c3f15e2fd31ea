import { readFile } from 'node:fs/promises'
import { sql } from 'drizzle-orm'
import { createRelay, memoryPublisher, migrateOutbox, withOutbox } from 'drizzle-outbox'
import { recordedEvents } from 'drizzle-outbox/testing'
import { expect, it } from 'vitest'
import type { TableOptions } from '../../src/event-log/tables.js'
import { describeEachDriver, Order, orderEvents, rowsOf, type ShopDb } from '../support/drivers.js'
import type { DrizzleDb } from '../support/outbox-databases.js'
import { publishedBy, shipped, store, withTables } from '../support/table-sets.js'

const startOf = async (db: ShopDb) => {
  const relay = createRelay({ db, publisher: memoryPublisher() })
  try {
    await relay.start()
  } finally {
    await relay.stop()
  }
}

describeEachDriver('tables', (shop) => {
  it.each<[string, TableOptions]>([
    ['another schema', { schema: 'messaging' }],
    ['another prefix', { prefix: 'messaging_' }],
    ['another schema and prefix', { schema: 'messaging', prefix: 'my_' }],
  ])('may have %s', async (_, tables) => {
    const db = shop().connect()
    await migrateOutbox(db, tables)
    const outbox = withTables(db, tables)
    await store(outbox, 'a', 'b')
    expect(await publishedBy(outbox)).toEqual(['a', 'b'])
    expect(await recordedEvents(shop().db)).toEqual([])
  })

  it('are those of one tenant each, on the same connections', async () => {
    const db = shop().connect({ connections: 2 })
    const sets: TableOptions[] = [
      { schema: 'tenant_a' },
      { schema: 'tenant_b' },
      { schema: 'tenant_a', prefix: 'x_' },
    ]
    const tenants = sets.map((tables) => withTables(db, tables))
    for (const tables of sets) await migrateOutbox(db, tables)
    // Often enough that every connection has prepared every statement.
    const rounds = Array.from({ length: 12 }, (_, round) => round)
    await Promise.all(
      rounds.flatMap((round) =>
        tenants.map(async (tenant, n) => {
          await store(tenant, `only-${n}`)
          await store(tenant, 'common', 'common')
          await store(tenant, 'common', `only-${n}`, `round-${round}`)
        }),
      ),
    )
    for (const [n, tenant] of tenants.entries()) {
      const events = await recordedEvents(tenant)
      const versionsOf = (id: string) =>
        events.filter(({ aggregateId }) => aggregateId === id).map(({ aggregateVersion }) => aggregateVersion)
      const upTo = (count: number) => Array.from({ length: count }, (_, i) => i + 1)
      expect(events).toHaveLength(rounds.length * 6)
      expect(versionsOf('common')).toEqual(upTo(rounds.length * 3))
      expect(versionsOf(`only-${n}`)).toEqual(upTo(rounds.length * 2))
      expect((await publishedBy(tenant)).toSorted()).toEqual(
        events.map((event) => event.aggregateId).toSorted(),
      )
    }
  })

  it('are those that the search path of each transaction finds, where no schema is named', async () => {
    const db = shop().connect({ connections: 1 })
    for (const schema of ['path_a', 'path_b']) await migrateOutbox(db, { schema })
    const outbox = withOutbox(db, { source: '/shop' })
    for (const round of ['1', '2', '3'])
      for (const schema of ['path_a', 'path_b'])
        await outbox.transaction(async (tx) => {
          await tx.execute(sql.raw(`set local search_path to ${schema}`))
          tx.outbox.add(shipped(`${schema}-${round}`))
        })
    for (const schema of ['path_a', 'path_b'])
      expect(await publishedBy(withTables(db, { schema }))).toEqual(
        [1, 2, 3].map((round) => `${schema}-${round}`),
      )
  })

  it('are made once by ten that migrate at once', async () => {
    const sets = [{ schema: 'once' }, { schema: 'once', prefix: 'other_' }]
    const migrations = Array.from({ length: 10 }, (_, i) =>
      migrateOutbox(shop().connect({ connections: 1 }), sets[i % 2]),
    )
    await Promise.all(migrations)
    for (const tables of sets) {
      const outbox = withTables(shop().connect(), tables)
      await store(outbox, 'a')
      expect(await publishedBy(outbox)).toEqual(['a'])
    }
  })

  it.each<[string, TableOptions, string]>([
    ['their schema is', { schema: 'nowhere' }, '"nowhere"."outbox_events"'],
    ['they are', { prefix: 'absent_' }, '"absent_events"'],
    ['their schema is, by a name in quotes,', { schema: 'no "where' }, '"no ""where"."outbox_events"'],
  ])('are named when %s missing, and nothing is lost', async (_, tables, name) => {
    const outbox = withTables(shop().connect(), tables)
    const missing = { code: 'ERR_OUTBOX_TABLES_MISSING', message: expect.stringContaining(name) }
    const order = Order.place('patient')
    const write = () => outbox.transaction(async (tx) => tx.outbox.add(order))
    await expect(write()).rejects.toMatchObject(missing)
    await expect(outbox.transaction((tx) => tx.outbox.versionOf(orderEvents, 'a'))).rejects.toMatchObject(
      missing,
    )
    await expect(recordedEvents(outbox)).rejects.toMatchObject(missing)
    await expect(startOf(outbox)).rejects.toMatchObject(missing)
    await migrateOutbox(shop().connect(), tables)
    await write()
    expect(await publishedBy(outbox)).toEqual(['patient'])
  })

  it.each(['events', 'aggregates', 'relays'])('are missing when one is: %s', async (table) => {
    const tables = { schema: `without_${table}` }
    const db = shop().connect()
    await migrateOutbox(db, tables)
    await db.execute(sql.raw(`drop table without_${table}.outbox_${table}`))
    const outbox = withTables(db, tables)
    const missing = { code: 'ERR_OUTBOX_TABLES_MISSING' }
    if (table === 'relays') await store(outbox, 'a')
    else await expect(store(outbox, 'a')).rejects.toMatchObject(missing)
    if (table === 'aggregates') await startOf(outbox)
    else await expect(startOf(outbox)).rejects.toMatchObject(missing)
  })

  it('of the application are not mistaken for them', async () => {
    const { db } = shop()
    const own = db.transaction(async (tx) => {
      tx.outbox.add(shipped('a'))
      await tx.execute(sql`select * from orders_events`)
    })
    await expect(own).rejects.not.toMatchObject({ code: 'ERR_OUTBOX_TABLES_MISSING' })
  })
})

/** The tables as the first release made them. */
async function makeFirstTables(db: DrizzleDb, { schema = 'public' }: TableOptions): Promise<void> {
  const text = await readFile(new URL('../../drizzle/0000_outbox.sql', import.meta.url), 'utf8')
  await db.transaction(async (tx) => {
    await tx.execute(sql.raw(`drop schema if exists ${schema} cascade`))
    await tx.execute(sql.raw(`create schema ${schema}`))
    await tx.execute(sql.raw(`set local search_path to ${schema}`))
    for (const statement of text.split('--> statement-breakpoint')) await tx.execute(sql.raw(statement))
    await tx.execute(sql`
      create table outbox_migrations (
        name text primary key, applied_at timestamptz not null default clock_timestamp())`)
    await tx.execute(sql`insert into outbox_migrations (name) values ('0000_outbox')`)
  })
}

/** What `migrateOutbox` has done, and the relays' table as it stands. */
async function stateOf(db: ShopDb): Promise<unknown> {
  const { names, migrations } = db['~drizzle-outbox'].log.tables
  const applied = await db.execute(sql`select name, applied_at::text from ${migrations} order by name`)
  const columns = await db.execute(sql`
    select attname, atttypid::regtype::text, pg_get_expr(adbin, adrelid)
    from pg_attribute left join pg_attrdef on adrelid = attrelid and adnum = attnum
    where attrelid = ${names.relays}::text::regclass and attnum > 0 order by attnum`)
  return [rowsOf(applied), rowsOf(columns)]
}

describeEachDriver('tables of another release', (shop) => {
  const places: [string, TableOptions][] = [
    ['where they are by default', {}],
    ['in another schema', { schema: 'other' }],
  ]

  it.each(places)('are upgraded in place when they are older, %s', async (_, tables) => {
    const db = shop().connect()
    await makeFirstTables(db, tables)
    const outbox = withTables(db, tables)
    const { events, relays } = outbox['~drizzle-outbox'].log.tables
    // A relay of the first release has published the first event, and then one more of the window after it.
    await store(outbox, 'published')
    await db.execute(sql`
      insert into ${relays} (name, snapshot, cluster, epoch)
      select 'default', pg_current_snapshot(), system_identifier::text, 7 from pg_control_system()`)
    for (const id of ['in the window, published', 'in the window']) await store(outbox, id)
    await db.execute(sql`
      update ${relays} set next = pg_current_snapshot(),
        page = (select position from ${events} where aggregate_id = 'in the window, published')`)
    await store(outbox, 'new')
    const before = await recordedEvents(outbox)

    await expect(startOf(outbox)).rejects.toMatchObject({
      code: 'ERR_OUTBOX_SCHEMA_VERSION',
      details: { found: 1, expected: 4 },
    })
    await migrateOutbox(db, tables)
    expect(await recordedEvents(outbox)).toEqual(before)
    await store(outbox, 'after the upgrade', 'published')
    expect(await publishedBy(outbox)).toEqual(['in the window', 'new', 'after the upgrade', 'published'])
    const versions = (await recordedEvents(outbox)).map(({ aggregateVersion }) => aggregateVersion)
    expect(versions).toEqual([1, 1, 1, 1, 1, 2])

    const upgraded = await stateOf(outbox)
    await migrateOutbox(db, tables)
    expect(await stateOf(outbox)).toEqual(upgraded)
  })

  it.each(places)('are left alone when they are newer, and written to, %s', async (_, tables) => {
    const db = shop().connect()
    const { schema = 'public' } = tables
    await db.execute(sql.raw(`drop schema if exists ${schema} cascade`))
    await db.execute(sql.raw(`create schema ${schema}`))
    await migrateOutbox(db, tables)
    const outbox = withTables(db, tables)
    const { relays, migrations } = outbox['~drizzle-outbox'].log.tables
    await db.execute(sql`alter table ${relays} alter column schema_version set default 5`)
    await db.execute(sql`alter table ${relays} add column later text not null default ''`)
    await db.execute(sql`insert into ${migrations} (name) values ('0004_later')`)
    const newer = await stateOf(outbox)

    await migrateOutbox(db, tables)
    expect(await stateOf(outbox)).toEqual(newer)
    await store(outbox, 'a')
    await store(outbox, 'a', 'a')
    await store(outbox, 'a', 'b')
    const versions = (await recordedEvents(outbox)).map(({ aggregateVersion }) => aggregateVersion)
    expect(versions).toEqual([1, 2, 3, 4, 1])
    await expect(startOf(outbox)).rejects.toMatchObject({
      code: 'ERR_OUTBOX_SCHEMA_VERSION',
      details: { found: 5, expected: 4 },
    })
  })
})
