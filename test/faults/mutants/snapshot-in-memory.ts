/** Mutant: windows that are stored nowhere before they are read; what a snapshot has seen counts as published. */
import { sql } from 'drizzle-orm'
import { type Database, query } from '../../../src/event-log/database.js'
import { EVENT_COLUMNS, type EventRow, toRecordedEvent } from '../../../src/event-log/event-row.js'
import { loadCheckpoint } from '../../../src/event-log/relay-row.js'
import type { Load } from '../subject.js'

export const snapshotInMemory: Load = async (db, claim, source) => {
  let { snapshot } = await loadCheckpoint(db, claim)
  let next = snapshot
  return {
    page: 0,
    openWindow: async () => {
      snapshot = next
      next = await currentSnapshot(db)
      return (await readBetween(db, snapshot, next, 0, 1)).length > 0
    },
    readPage: async (after, limit) => {
      const rows = await readBetween(db, snapshot, next, after, limit)
      return rows.map((row) => toRecordedEvent(row, source))
    },
    checkpoint: async () => {},
    closeWindow: async () => {},
  }
}

async function currentSnapshot(db: Database): Promise<string> {
  const [row] = await query<{ now: string }>(db, sql`select pg_current_snapshot()::text as now`)
  return row!.now
}

function readBetween(db: Database, from: string, to: string, after: number, limit: number) {
  return query<EventRow>(
    db,
    sql`
      select ${EVENT_COLUMNS} from outbox_events event
      where event.position > ${String(after)}::text::bigint
        and not pg_visible_in_snapshot(xid, ${from}::text::pg_snapshot)
        and pg_visible_in_snapshot(xid, ${to}::text::pg_snapshot)
      order by event.position limit ${String(limit)}::text::int`,
  )
}
