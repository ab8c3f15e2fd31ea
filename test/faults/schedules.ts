/** Interleavings by hand: each has one way to go wrong, and gives the checker's verdict on the reader it was tried on. */
import { sql } from 'drizzle-orm'
import pg from 'pg'
import { expect } from 'vitest'
import { query } from '../../src/event-log/database.js'
import { readLog } from '../../src/event-log/read-log.js'
import { type Db, openDatabase, type Tx } from '../support/outbox-databases.js'
import { freshDatabase } from '../support/servers.js'
import { accountEvents, createTables, SOURCE } from './accounts.js'
import { type Faults, findFaults } from './find-faults.js'
import { Journal, toEntry } from './journal.js'
import { type Reading, readThroughRestarts } from './read-through-restarts.js'
import type { Load } from './subject.js'

export type Schedule = (load: Load) => Promise<Faults>

/** A transaction has its id before another one, and records for the same aggregate after it. */
export const earlyIdLateEvent: Schedule = (load) =>
  onFreshDatabase(async (db, journal) => {
    await db.transaction(async (early) => {
      await early.execute(sql`insert into notes values (1)`)
      await note(db, journal, 'shared')
      record(early, journal, 'shared')
    })
    return readThroughRestarts(db, { load, writersDone: () => true })
  })

/** A transaction has its position before another one, and commits after that one was read. */
export const earlyPositionLateCommit: Schedule = (load) =>
  onFreshDatabase(async (db, journal, url) => {
    const gate = new pg.Client(url)
    await gate.connect()
    await gate.query('select pg_advisory_lock(1)')
    const late = db.transaction(async (tx) => {
      await tx.execute(sql`insert into gates values (1)`)
      record(tx, journal, 'late')
    })
    await expect.poll(() => waitsAtGate(db), { interval: 5 }).toBe(true)
    await note(db, journal, 'early')

    let committed = false
    return readThroughRestarts(db, {
      load,
      writersDone: () => committed,
      idle: async () => {
        await gate.end()
        await late
        committed = true
      },
    })
  })

/** The reader dies between a page and its delivery. */
export const deathBeforeDelivery: Schedule = (load) =>
  onFreshDatabase(async (db, journal) => {
    for (let n = 0; n < 10; n++) await note(db, journal, `a${n}`)
    let died = false
    const dies = (moment: string) => {
      if (died || moment !== 'page read') return false
      died = true
      return true
    }
    return readThroughRestarts(db, { load, writersDone: () => true, dies })
  })

export async function note(db: Db, journal: Journal, aggregateId: string): Promise<void> {
  await db.transaction(async (tx) => record(tx, journal, aggregateId))
}

function record(tx: Tx, journal: Journal, aggregateId: string): void {
  const event = accountEvents.noted(aggregateId, { text: 'by hand' })
  tx.outbox.add(event)
  tx.outbox.afterCommit(() => journal.committed([toEntry(event)]))
}

async function waitsAtGate(db: Db): Promise<boolean> {
  const waiting = await query(
    db['~drizzle-outbox'].log,
    sql`
      select pid::text from pg_locks join pg_database on pg_database.oid = database
      where locktype = 'advisory' and not granted and datname = current_database()`,
  )
  return waiting.length > 0
}

async function onFreshDatabase(
  read: (db: Db, journal: Journal, url: string) => Promise<Reading>,
): Promise<Faults> {
  const database = await freshDatabase()
  const open = openDatabase(database.url)
  try {
    await createTables(open)
    const journal = new Journal()
    const { deliveries } = await read(open.db, journal, database.url)
    return findFaults(journal, await readLog(open.db['~drizzle-outbox'].log, SOURCE), deliveries)
  } finally {
    await open.close()
    await database.drop()
  }
}
