/** The recipe of the README, as it stands there. */
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { sql } from 'drizzle-orm'
import { migrateOutbox } from 'drizzle-outbox'
import { recordedEvents } from 'drizzle-outbox/testing'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { snippetsOf } from '../../dev/check/snippets.mjs'
import { Order, type ShopDb } from '../support/drivers.js'
import { PostgresProxy } from '../support/postgres-proxy.js'
import { freshDatabase } from '../support/servers.js'

const root = new URL('../../', import.meta.url)
const folder = new URL(`.snippets/retry-${process.pid}-${Date.now()}/`, root)

let proxy: PostgresProxy
let db: ShopDb
let retry: (transaction: () => Promise<void>) => Promise<void>
const cleanUp: (() => Promise<unknown>)[] = []

beforeAll(async () => {
  const database = await freshDatabase()
  proxy = await PostgresProxy.start(Number(new URL(database.url).port))
  const url = new URL(database.url)
  url.port = String(proxy.port)
  vi.stubEnv('DATABASE_URL', url.href)

  await mkdir(folder, { recursive: true })
  for (const { file, code } of snippetsOf(await readFile(new URL('README.md', root), 'utf8')))
    if (file === 'db.ts' || file === 'retry.ts') await writeFile(new URL(file, folder), code)
  const readme = await import(/* @vite-ignore */ new URL('db.ts', folder).href)
  retry = (await import(/* @vite-ignore */ new URL('retry.ts', folder).href)).retry
  db = readme.db
  cleanUp.push(
    () => readme.client.end(),
    () => proxy.stop(),
    () => database.drop(),
    () => rm(folder, { recursive: true }),
  )
  await migrateOutbox(db)
  await db.execute(sql`create table accounts (id text primary key, balance int not null)`)
  await db.execute(sql`insert into accounts values ('a', 100), ('b', 100)`)
})
afterAll(async () => {
  for (const clean of cleanUp) await clean()
})

const storedOf = async (order: Order) =>
  (await recordedEvents(db)).filter(({ aggregateId }) => aggregateId === order.id).map(({ id }) => id)
const idsOf = (order: Order) => order.pendingEvents.map(({ id }) => id)

/** Lets the first attempts of two transactions meet in the middle. */
function meeting(): () => Promise<void> {
  let arrived = 0
  let open = () => {}
  const gate = new Promise<void>((resolve) => {
    open = resolve
  })
  return async () => {
    if (++arrived === 2) open()
    return gate
  }
}

it('brings both of two transactions through that cannot be serialized', async () => {
  const meet = meeting()
  const attempts = vi.fn()
  const withdraw = async (from: string, order: Order) =>
    retry(() =>
      db.transaction(
        async (tx) => {
          attempts()
          await tx.execute(sql`select sum(balance) from accounts`)
          await meet()
          await tx.execute(sql`update accounts set balance = balance - 10 where id = ${from}`)
          tx.outbox.add(order)
        },
        { isolationLevel: 'serializable' },
      ),
    )
  const [one, other] = [Order.place('withdrawn-1'), Order.place('withdrawn-2')]
  const ids = [...idsOf(one), ...idsOf(other)]
  await Promise.all([withdraw('a', one), withdraw('b', other)])
  expect(attempts.mock.calls.length).toBeGreaterThan(2)
  expect([...(await storedOf(one)), ...(await storedOf(other))]).toEqual(ids)
})

it('brings both of two transactions through that lock each other out', async () => {
  const meet = meeting()
  const attempts = vi.fn()
  const transfer = async (from: string, to: string, order: Order) =>
    retry(() =>
      db.transaction(async (tx) => {
        attempts()
        tx.outbox.add(order)
        await tx.execute(sql`update accounts set balance = balance - 1 where id = ${from}`)
        await meet()
        await tx.execute(sql`update accounts set balance = balance + 1 where id = ${to}`)
      }),
    )
  const [one, other] = [Order.place('transferred-1'), Order.place('transferred-2')]
  const ids = [...idsOf(one), ...idsOf(other)]
  await Promise.all([transfer('a', 'b', one), transfer('b', 'a', other)])
  expect(attempts).toHaveBeenCalledTimes(3)
  expect([...(await storedOf(one)), ...(await storedOf(other))]).toEqual(ids)
})

it.each([
  ['in the middle', /insert into accounts/, 'statement', 2],
  ['before COMMIT arrives', /commit/, 'statement', 2],
  ['before COMMIT is answered', /commit/, 'answer', 1],
] as const)(
  'stores each event once when the connection is lost %s',
  async (when, statement, at, attempted) => {
    const order = Order.place(when)
    const ids = idsOf(order)
    const attempts = vi.fn()
    proxy.setTrap({ statement, at, spring: async (wire) => wire.cut() })
    await retry(() =>
      db.transaction(async (tx) => {
        attempts()
        tx.outbox.add(order)
        await tx.execute(sql`insert into accounts values (${when}, 1)`)
      }),
    )
    expect(attempts).toHaveBeenCalledTimes(attempted)
    expect(await storedOf(order)).toEqual(ids)
    expect(order.pendingEvents).toEqual([])
  },
)

it('gives up on what no retry mends', async () => {
  const attempts = vi.fn()
  const failing = retry(() =>
    db.transaction(async (tx) => {
      attempts()
      await tx.execute(sql`insert into accounts values ('a', 1)`)
    }),
  )
  await expect(failing).rejects.toThrow()
  expect(attempts).toHaveBeenCalledOnce()
})
