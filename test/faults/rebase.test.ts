/**
 * Checkpoints that are carried over, on logs in every state: what each relay is still to publish stays the same. And the
 * statement with mistakes in it, which must be found out. `OUTBOX_TEST_RUNS` asks for more logs.
 */
import { type SQL, StringChunk, sql } from 'drizzle-orm'
import { expect, it } from 'vitest'
import { rebaseLog } from '../../src/event-log/rebase.js'
import type { Db } from '../support/outbox-databases.js'
import { Random, runSeed } from '../support/random.js'
import { eachInDatabase } from './each-in-database.js'
import { makeRandomLog } from './random-log.js'

const runs = Number(process.env.OUTBOX_TEST_RUNS ?? 25)

/** What it does wrong, by what is replaced with what. */
const mistakes: Record<string, readonly [from: string, to: string]> = {
  'takes an open window for not begun': ['and position <= page)', 'and false)'],
  'goes on in the middle of a window': ['page = null,', ''],
  'counts every relay as the first': ['substr(sort.sight, place, 1)', 'substr(sort.sight, 1, 1)'],
  'takes what somebody has published for published': ["else '-'", "else 'p'"],
  'gives all rows one id': ['+ number - 1)::text::xid8', '+ 1 - 1)::text::xid8'],
  'closes windows': ['case when next is not null then', 'case when false then'],
  'takes one sort for none': ['when published > 0', 'when published > 1'],
}

const fresh = eachInDatabase()

it(`leaves to each relay what it had to publish, and no mistake would (seed ${runSeed})`, async () => {
  const { open } = fresh()
  const random = new Random(runSeed)
  const notFound = new Set(Object.keys(mistakes))
  let relays = 0
  for (let run = 0; run < runs; run++) {
    await makeRandomLog(open.db, random)
    await comeFromElsewhere(open.db)
    const before = await placesOf(open.db)
    relays += before.length
    expect(await placesAfter(open.db, (tx) => tx)).toEqual(before)
    for (const name of notFound) {
      const after = await placesAfter(open.db, (tx) => mistaken(tx, mistakes[name]!)).catch(() => undefined)
      if (JSON.stringify(after) !== JSON.stringify(before)) notFound.delete(name)
    }
  }
  expect([...notFound]).toEqual([])
  expect(relays).toBeGreaterThan(runs)
}, 120_000)

/** As relays leave their rows, and from another cluster. */
async function comeFromElsewhere(db: Db): Promise<void> {
  await db.execute(sql`
    update outbox_relays set kind = 'snapshot', cluster = 'another', max_published = (
      select max(position) from outbox_events
      where pg_visible_in_snapshot(xid, snapshot) or (pg_visible_in_snapshot(xid, next) and position <= page))`)
}

/** By relay: the positions that it is to publish, in its open window and after that. */
async function placesOf(db: Pick<Db, 'execute'>): Promise<readonly object[]> {
  const { rows } = (await db.execute(sql`
    select name, replay_from, next is not null as "window",
      array(
        select position from outbox_events
        where not pg_visible_in_snapshot(xid, coalesce(next, snapshot))
          or not pg_visible_in_snapshot(xid, snapshot) and position > coalesce(page, 0)
        order by position) as left
    from outbox_relays order by name`)) as { rows: object[] }
  return rows
}

/** After a rebase, which is rolled back. */
async function placesAfter(
  db: Db,
  mutate: (tx: Pick<Db, 'execute'>) => Pick<Db, 'execute'>,
): Promise<unknown> {
  const rollback = new Error('on purpose')
  let places: unknown
  const run = db.transaction(async (tx) => {
    await rebaseLog({ transaction: (rebase) => rebase(mutate(tx)) }, db['~drizzle-outbox'].log.tables)
    places = await placesOf(tx)
    throw rollback
  })
  await run.catch((error) => {
    if (error !== rollback) throw error
  })
  return places
}

/** The database, which understands some statements otherwise. */
function mistaken(db: Pick<Db, 'execute'>, [from, to]: readonly [string, string]): Pick<Db, 'execute'> {
  const mutate = (chunk: unknown): void => {
    if (chunk instanceof StringChunk)
      for (const [index, text] of chunk.value.entries()) chunk.value[index] = text.replace(from, () => to)
    else if (chunk !== null && typeof chunk === 'object' && 'queryChunks' in chunk)
      (chunk as SQL).queryChunks.forEach(mutate)
  }
  return {
    execute: (statement: SQL) => {
      mutate(statement)
      return db.execute(statement)
    },
  } as Pick<Db, 'execute'>
}
