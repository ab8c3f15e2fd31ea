/** Mutant: windows that are stored nowhere before they are read; what a snapshot has seen counts as published. */
import { sql } from 'drizzle-orm'
import { type EventLog, query } from '../../../src/event-log/database.js'
import { EVENT_COLUMNS, type EventRow, toRecordedEvent } from '../../../src/event-log/event-row.js'
import { pageOf } from '../../../src/event-log/log-reader.js'
import { loadCheckpoint } from '../../../src/event-log/relay-row.js'
import type { Load } from '../subject.js'

export const snapshotInMemory: Load = async (log, claim, source) => {
  let { snapshot } = await loadCheckpoint(log, claim)
  let next = snapshot
  return {
    page: 0,
    openWindow: async () => {
      snapshot = next
      next = await currentSnapshot(log)
      return (await readBetween(log, snapshot, next, 0, 1)).length > 0
    },
    readPage: async (after, limit) => {
      const rows = await readBetween(log, snapshot, next, after, limit)
      return pageOf(
        rows.map((row) => toRecordedEvent(row, source)),
        limit,
      )
    },
    checkpoint: async () => {},
    closeWindow: async () => {},
  }
}

async function currentSnapshot(log: EventLog): Promise<string> {
  const [row] = await query<{ now: string }>(log, sql`select pg_current_snapshot()::text as now`)
  return row!.now
}

function readBetween(log: EventLog, from: string, to: string, after: number, limit: number) {
  return query<EventRow>(
    log,
    sql`
      select ${EVENT_COLUMNS} from outbox_events event
      where event.position > ${String(after)}::text::bigint
        and not pg_visible_in_snapshot(xid, ${from}::text::pg_snapshot)
        and pg_visible_in_snapshot(xid, ${to}::text::pg_snapshot)
      order by event.position limit ${String(limit)}::text::int`,
  )
}
