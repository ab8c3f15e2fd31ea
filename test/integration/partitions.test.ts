/** The recipe of docs/operations.md for a log in partitions, as it stands there. */
import { readFile } from 'node:fs/promises'
import { sql } from 'drizzle-orm'
import { createRelay, pruneOutbox, readOutboxStatus } from 'drizzle-outbox'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { historyOf, openShop, type Shop } from '../support/drivers.js'
import { faultyPublisher, unavailableOutcome } from '../support/publishers.js'
import { publishedBy, store } from '../support/table-sets.js'

let shop: Shop
let recipes: string[]
beforeAll(async () => {
  shop = await openShop('node-postgres')
  const page = await readFile(new URL('../../docs/operations.md', import.meta.url), 'utf8')
  const section = /^## Partitions[\s\S]*?(?=^##)/m.exec(page)?.[0] ?? ''
  recipes = [...section.matchAll(/^```sql\n([\s\S]*?)^```$/gm)].map(([, code = '']) => code)
})
afterAll(() => shop.close())

/** On one connection, as psql does. */
const run = (statements: string) => shop.db.$client.query(statements)

it('a log that is partitioned, as it is, goes on; and the oldest partition is dropped when nobody needs it', async () => {
  const { db } = shop
  const [partition = '', drop = ''] = recipes
  await store(db, 'a', 'b')
  expect(await publishedBy(db)).toEqual(['a', 'b'])
  await store(db, 'c')
  await run(partition.replace('next + 10000000', 'next + 2'))
  await store(db, 'a')
  await store(db, 'b')
  await expect(store(db, 'c')).rejects.toThrow() // there is no partition
  await run('create table outbox_events_2 partition of outbox_events for values from (7) to (maxvalue)')
  const behind = createRelay({ db, name: 'behind', publisher: faultyPublisher(unavailableOutcome).publisher })
  await behind.start()
  await expect.poll(() => behind.status().state, { timeout: 20_000 }).toBe('paused')
  await behind.stop({ timeoutMs: 100 })

  await expect(run(drop)).rejects.toThrow('outbox_events_0 is still needed')
  await run('rollback')
  const { log, relays } = await readOutboxStatus(db)
  expect(relays.map(({ name, pendingEvents }) => [name, pendingEvents])).toEqual([
    ['behind', 5],
    ['default', 3],
  ])
  expect(log.bytes).toBeGreaterThan(16_384)
  expect(await publishedBy(db)).toEqual(['c', 'a', 'b'])
  expect(await publishedBy(db, 'behind')).toEqual(['a', 'b', 'c', 'a', 'b'])
  await run(drop)
  expect(await historyOf(db, 'a')).toEqual(['2 order.shipped'])
  await store(db, 'a')
  expect(await publishedBy(db)).toEqual(['a'])
  expect(await pruneOutbox(db, { olderThanMs: 0 })).toBe(2) // the last one is not yet published by the other
  expect(await publishedBy(db, 'behind')).toEqual(['a'])
  expect(await pruneOutbox(db, { olderThanMs: 0 })).toBe(1)
  expect(await db.$count(sql`outbox_events`)).toBe(0)
})
