import { readdir } from 'node:fs/promises'
import { sql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/node-postgres'
import { createRelay, memoryPublisher, migrateOutbox, type RelayOptions, withOutbox } from 'drizzle-outbox'
import { outboxRelays } from 'drizzle-outbox/schema'
import pg from 'pg'
import { afterEach, describe, expect, it } from 'vitest'
import { endPool } from '../support/outbox-databases.js'
import { freshDatabase } from '../support/servers.js'

const publisher = memoryPublisher()
const cleanUp: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const clean of cleanUp.splice(0)) await clean()
})

/** A database of its own, and a way to connect to it, as another role if need be. */
async function database({ migrated = true } = {}) {
  const { url, drop } = await freshDatabase()
  cleanUp.push(() => drop())
  const open = (role = 'postgres') => {
    const connection = new URL(url)
    if (role !== 'postgres') connection.username = role
    const client = new pg.Pool({ connectionString: connection.href })
    cleanUp.unshift(() => endPool(client))
    return withOutbox(drizzle({ client }), { source: '/shop' })
  }
  const db = open()
  if (migrated) await migrateOutbox(db)
  return { db, open }
}

describe('relay.start', () => {
  it('says that the tables are missing, and so does a flush', async () => {
    const { db } = await database({ migrated: false })
    await expect(createRelay({ db, publisher }).start()).rejects.toMatchObject({
      code: 'ERR_OUTBOX_TABLES_MISSING',
    })
  })

  it('refuses a sequence with a cache', async () => {
    const { db } = await database()
    await db.execute(sql`alter sequence outbox_events_position_seq cache 50`)
    const relay = createRelay({ db, publisher })
    await expect(relay.start()).rejects.toMatchObject({
      code: 'ERR_OUTBOX_DATABASE_UNFIT',
      details: { reason: 'sequence-cache' },
    })
    expect(relay.status().state).toBe('stopped')
    await relay.stop()
  })

  it('refuses row-level security, which hides events without an error', async () => {
    const { db, open } = await database()
    await db.execute(sql`create role outbox_hidden_from login`)
    const dropRole = () => db.execute(sql`drop owned by outbox_hidden_from; drop role outbox_hidden_from`)
    await db.execute(sql`grant select, insert, update on all tables in schema public to outbox_hidden_from`)
    await db.execute(sql`alter table outbox_events enable row level security`)
    const limited = open('outbox_hidden_from')
    cleanUp.unshift(dropRole)
    await expect(createRelay({ db: limited, publisher }).start()).rejects.toMatchObject({
      code: 'ERR_OUTBOX_DATABASE_UNFIT',
      details: { reason: 'row-level-security' },
    })
  })

  it.each<[string, Partial<RelayOptions>]>([
    ['name', { name: '' }],
    ['name', { name: 'a b' }],
    ['batchSize', { batchSize: 0 }],
    ['batchSize', { batchSize: 10_001 }],
    ['batchBytes', { batchBytes: 0 }],
    ['statementTimeoutMs', { statementTimeoutMs: 2 ** 32 }],
    ['minPollMs', { minPollMs: 1.5 }],
    ['maxPollMs', { minPollMs: 10, maxPollMs: 5 }],
    ['maxBackoffMs', { minBackoffMs: 10, maxBackoffMs: 5 }],
    ['leaseMs', { leaseMs: 100, publisher: { ...publisher, publishTimeoutMs: 51 } }],
    ['publisher', { publisher: {} as never }],
    ['db', { db: {} as never }],
  ])('is not even reached with a wrong %s', async (option, options) => {
    const { db } = await database({ migrated: false })
    expect(() => createRelay({ db, publisher, ...options })).toThrow(
      expect.objectContaining({ code: 'ERR_OUTBOX_OPTION_INVALID', details: { option } }),
    )
  })
})

describe('migrateOutbox', () => {
  it('has one migration for each version of the tables', async () => {
    const migrations = (await readdir(new URL('../../drizzle/', import.meta.url))).filter((file) =>
      file.endsWith('.sql'),
    )
    expect(migrations).toHaveLength(Number(outboxRelays.schemaVersion.default))
  })

  it('may run in many processes at once, and again', async () => {
    const { db, open } = await database({ migrated: false })
    await Promise.all(Array.from({ length: 8 }, () => migrateOutbox(open())))
    await migrateOutbox(db)
    const { rows } = await db.execute(sql`select name from outbox_migrations`)
    expect(rows.map(({ name }) => name)).toEqual([
      '0000_outbox',
      '0001_schema_version',
      '0002_publisher_state',
      '0003_operations',
    ])
  })

  it('keeps its hands off tables that other migrations made', async () => {
    const { db } = await database()
    await db.execute(sql`drop table outbox_migrations`)
    await expect(migrateOutbox(db)).rejects.toMatchObject({ code: 'ERR_OUTBOX_TABLES_NOT_OURS' })
  })
})
