import { sql } from 'drizzle-orm'
import { createRelay, memoryPublisher, migrateOutbox } from 'drizzle-outbox'
import { recordedEvents } from 'drizzle-outbox/testing'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { TableOptions } from '../../src/event-log/tables.js'
import { describeEachDriver, Order, openShop, orderEvents, rowsOf, type Shop } from '../support/drivers.js'
import type { DrizzleDb } from '../support/outbox-databases.js'
import { runs } from '../support/runs.js'
import { publishedBy, store, withTables } from '../support/table-sets.js'

/** Everything in the database outside of a schema: what there is, as it was made, and how many rows it has. */
async function everythingOutside(db: DrizzleDb, schema: string): Promise<string[]> {
  const result = await db.execute<{ thing: string }>(sql`
    select format('schema %I', nspname) as thing from pg_namespace
    where nspname <> ${schema} and nspname !~ '^pg_(toast_)?temp_'
    union all
    select format('%s %I.%I %s %s', relkind, nspname, relname, pg_class.oid, relnatts)
    from pg_class join pg_namespace on pg_namespace.oid = relnamespace
    where nspname <> ${schema} and nspname !~ '^pg_'
    union all
    select format('%I.%I has %s', schemaname, tablename, query_to_xml(
      format('select count(*), max(md5(rows::text)) from %I.%I as rows', schemaname, tablename), false, true, ''))
    from pg_tables where schemaname <> ${schema} and schemaname !~ '^(pg_|information_schema$)'
    order by 1`)
  return rowsOf(result).map(({ thing }) => thing)
}

/** Migrates, writes in each form of the flush, reads and publishes, and looks at what else has changed. */
async function useTables(db: DrizzleDb, tables: TableOptions & { schema: string }): Promise<void> {
  const before = await everythingOutside(db, tables.schema)
  await migrateOutbox(db, tables)
  await migrateOutbox(db, tables)
  const outbox = withTables(db, tables)
  await store(outbox, 'a')
  await store(outbox, 'b', 'b')
  await store(outbox, 'b', 'a', 'c')
  const order = new Order('c', 1)
  order.ship()
  await outbox.transaction(async (tx) => {
    tx.outbox.add(order)
    expect(await tx.outbox.versionOf(orderEvents, 'b')).toBe(3)
  })
  const history = ['a', 'b', 'b', 'b', 'a', 'c', 'c']
  expect((await recordedEvents(outbox)).map(({ aggregateId }) => aggregateId)).toEqual(history)
  expect(await publishedBy(outbox)).toEqual(history)
  expect(await publishedBy(outbox)).toEqual([])
  expect(await everythingOutside(db, tables.schema)).toEqual(before)
}

const nastyNames = [
  ...['Quoted "name"', '""', "it's", 'a;drop schema public cascade;--', 'a b', ' ', 'a.b', '.', '\\', "\\'"],
  ...[
    '$1',
    '$$',
    '$&',
    "$'",
    '$`',
    '$1 $2',
    '--',
    '/*',
    '*/',
    '%s',
    '%I',
    '{}',
    ':name',
    '?',
    '0',
    '\n',
    '\t',
  ],
  ...['MiXed', 'select', 'user', 'null', '日本語', '😀', 'e\u0301', '\u202e', '--> statement-breakpoint'],
]
const longest = { schema: `${'ü'.repeat(31)}x`, prefix: `${'日'.repeat(13)}xx` }

describe('names of tables', () => {
  let shop: Shop
  let db: DrizzleDb
  beforeAll(async () => {
    shop = await openShop('node-postgres')
    db = shop.connect({ connections: 2 })
    await store(shop.db, 'outside')
  })
  afterAll(() => shop?.close())

  // Each name as the schema with a plain prefix, then as the prefix: one that hurts is seen by itself.
  it.each(nastyNames)('may be %j', async (name) => {
    await useTables(db, { schema: name })
    await useTables(db, { schema: `as prefix ${nastyNames.indexOf(name)}`, prefix: name })
  })

  it('may be as long as PostgreSQL takes them', async () => {
    await useTables(db, longest)
    const tables = await db.execute<{ name: string }>(
      sql`select tablename as name from pg_tables where schemaname = ${longest.schema} order by 1`,
    )
    expect(rowsOf(tables).map(({ name }) => name)).toEqual(
      ['aggregates', 'dead_letters', 'events', 'migrations', 'relays'].map((table) => longest.prefix + table),
    )
  })

  it('may be anything else', async () => {
    let cases = 0
    const part = fc.oneof(
      fc.constantFrom(...nastyNames),
      fc.string({ unit: 'binary', minLength: 1, maxLength: 4 }),
    )
    const name = fc
      .array(part, { minLength: 1, maxLength: 3 })
      .map((parts) => parts.join('').replaceAll('\0', '0'))
    const fits = (bytes: number) => (text: string) =>
      Buffer.byteLength(text) <= bytes && !text.startsWith('pg_')
    await fc.assert(
      fc.asyncProperty(name.filter(fits(55)), name.filter(fits(44)), (schema, prefix) =>
        useTables(db, { schema: `${++cases}${schema}`, prefix }),
      ),
      runs(4),
    )
  })

  it.each(['', 'a\0', '\ud800', 'ü'.repeat(32)])('may not be %j', async (schema) => {
    const refused = { code: 'ERR_OUTBOX_OPTION_INVALID', details: { option: 'schema' } }
    await expect(migrateOutbox(db, { schema })).rejects.toMatchObject(refused)
    expect(() => withTables(db, { schema })).toThrow(expect.objectContaining(refused))
  })

  it.each(['pg_mine', 'pg_temp', 'pg_catalog', '$user'])(
    'may not be %s, which means something else to PostgreSQL',
    async (schema) => {
      await expect(migrateOutbox(db, { schema })).rejects.toMatchObject({ code: 'ERR_OUTBOX_OPTION_INVALID' })
    },
  )

  it.each(['', ' ', 'a b', "a'b", 'ü', 'a\n', '\na', '$1', '%s', 'a'.repeat(64)])(
    'of relays may not be %j',
    (name) => {
      expect(() => createRelay({ db: shop.db, publisher: memoryPublisher(), name })).toThrow(
        expect.objectContaining({ code: 'ERR_OUTBOX_OPTION_INVALID', details: { option: 'name' } }),
      )
    },
  )

  it.each(['select', 'a.b:c-d_e', '-', '--', 'A', 'a', 'default', 'x'.repeat(63)])(
    'of relays may be %s',
    async (name) => {
      expect(await publishedBy(shop.db, name)).toContain('outside')
      expect(await publishedBy(shop.db, name)).toEqual([])
    },
  )
})

describeEachDriver('names of tables', (shop) => {
  it('may need quotes', async () => {
    await useTables(shop().connect(), { schema: `"a".b; $1 $$ %s \\ '`, prefix: `$1 $& $$ "; -- ü` })
  })
})
