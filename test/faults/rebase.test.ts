/**
 * Checkpoints that are carried over, on logs in every state: what each relay is still to publish stays the same. And the
 * statement with mistakes in it, which must be found out. `OUTBOX_TEST_RUNS` asks for more logs.
 */
import { sql } from 'drizzle-orm'
import { PgDialect } from 'drizzle-orm/pg-core'
import { expect, it } from 'vitest'
import type { EventLog } from '../../src/event-log/database.js'
import { rebaseLog } from '../../src/event-log/rebase.js'
import type { Db } from '../support/outbox-databases.js'
import { Random, runSeed } from '../support/random.js'
import { eachInDatabase } from './each-in-database.js'
import { makeRandomLog } from './random-log.js'

const runs = Number(process.env.OUTBOX_TEST_RUNS ?? 25)

/** What it does wrong, by what is replaced with what. */
const mistakes: Record<string, readonly [from: string, to: string]> = {
  'takes an open window for not begun': ["then ''w''", "then ''-''"],
  'takes an open window for published': ["then ''w''", "then ''p''"],
  'counts every relay as the first': ['substr(sight, place, 1) <>', 'substr(sight, 1, 1) <>'],
  'takes what the first relay has published for published by all': ["then ''p''", "then repeat(''p'', 9)"],
  'leaves transaction ids as they were': ['set xid = coalesce(', 'set xid = coalesce(xid, '],
  'closes windows': ['case when next is not null', 'case when next is null'],
  'leaves what is out of sight to other relays': [
    'pg_current_xact_id()',
    '(cardinality(sights) + 2)::text::xid8',
  ],
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
    expect(await placesAfter(open.db, (log) => log)).toEqual(before)
    for (const name of notFound) {
      const after = await placesAfter(open.db, (log) => mistaken(log, mistakes[name]!)).catch(() => undefined)
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

/** By relay: the positions that it is to publish in its open window, and after that. */
async function placesOf(db: Pick<Db, 'execute'>): Promise<readonly object[]> {
  const { rows } = (await db.execute(sql`
    select name, replay_from,
      array(
        select position from outbox_events
        where pg_visible_in_snapshot(xid, next) and not pg_visible_in_snapshot(xid, snapshot) and position > page
        order by position) as open,
      array(
        select position from outbox_events
        where not pg_visible_in_snapshot(xid, coalesce(next, snapshot)) order by position) as later,
      next is not null as "window", page
    from outbox_relays order by name`)) as { rows: object[] }
  return rows
}

/** After a rebase, which is rolled back. */
async function placesAfter(db: Db, mutate: (log: EventLog) => EventLog): Promise<unknown> {
  const rollback = new Error('on purpose')
  let places: unknown
  const run = db.transaction(async (tx) => {
    await rebaseLog(mutate({ ...db['~drizzle-outbox'].log, db: tx }))
    places = await placesOf(tx)
    throw rollback
  })
  await run.catch((error) => {
    if (error !== rollback) throw error
  })
  return places
}

const dialect = new PgDialect()

function mistaken({ db, tables }: EventLog, [from, to]: readonly [string, string]): EventLog {
  return {
    tables,
    db: {
      execute: (statement) => {
        const { sql: text } = dialect.sqlToQuery(statement)
        const mutated = text.replace(from, () => to)
        if (mutated === text) throw new Error(`it does not say ${from}`)
        return db.execute(sql.raw(mutated))
      },
    },
  }
}
