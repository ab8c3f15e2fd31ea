/**
 * A database that crashes because one of its backends is killed, and hands out again the ids of transactions that were
 * rolled back just before: no record of them had reached the disk.
 */
import { sql } from 'drizzle-orm'
import pg from 'pg'
import { expect } from 'vitest'
import { startPostgres } from '../../dev/servers/index.js'
import { query } from '../../src/event-log/database.js'
import { readLog } from '../../src/event-log/read-log.js'
import { type Db, openDatabase } from '../support/outbox-databases.js'
import { createTables, SOURCE } from './accounts.js'
import { type Faults, findFaults } from './find-faults.js'
import { Journal } from './journal.js'
import { readThroughRestarts } from './read-through-restarts.js'
import { note } from './schedules.js'
import type { Load } from './subject.js'

export interface Crash {
  readonly faults: Faults
  /** How many ids the database gave out again: without any, the crash shows nothing. */
  readonly idsRewound: number
}

export async function crashOfABackend(load: Load): Promise<Crash> {
  // Otherwise its timer may bring the rolled back ids to the disk in time.
  const server = await startPostgres({ settings: { wal_writer_delay: '10s' } })
  const open = openDatabase(server.url)
  const { db } = open
  try {
    await createTables(open)
    const journal = new Journal()
    await note(db, journal, 'before')

    let victim: pg.Client | undefined
    let idsRewound = 0
    const rollBack = async () => {
      victim = new pg.Client(server.url)
      victim.on('error', () => {})
      await victim.connect()
      for (let n = 0; n < 5; n++) await victim.query('begin; insert into notes values (1); rollback')
    }
    const crash = async () => {
      const idBefore = await nextId(db)
      const { rows } = await victim!.query('select pg_backend_pid() as pid')
      process.kill(rows[0].pid, 'SIGKILL')
      await expect.poll(() => nextId(db).catch(() => idBefore)).not.toBe(idBefore)
      idsRewound = idBefore - (await nextId(db))
      for (let n = 0; n < 4; n++) await note(db, journal, `after ${n}`)
    }

    // The reader looks at the log between the one and the other.
    const script = [rollBack, crash]
    const { deliveries } = await readThroughRestarts(db, {
      load,
      writersDone: () => script.length === 0,
      idle: async () => script.shift()?.(),
    })
    const log = await readLog(db['~drizzle-outbox'].log, SOURCE)
    return { faults: findFaults(journal, log, deliveries), idsRewound }
  } finally {
    await open.close()
    await server.stop()
  }
}

/** The next transaction id. Asking takes none. */
async function nextId(db: Db): Promise<number> {
  const [row] = await query<{ id: string }>(
    db['~drizzle-outbox'].log,
    sql`select pg_snapshot_xmax(pg_current_snapshot())::text as id`,
  )
  return Number(row!.id)
}
