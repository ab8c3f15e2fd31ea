/** Mutant: `position > last`, as if positions became visible in their order. */
import { sql } from 'drizzle-orm'
import { type Database, query } from '../../../src/event-log/database.js'
import { EVENT_COLUMNS, type EventRow, toRecordedEvent } from '../../../src/event-log/event-row.js'
import { type Claim, loadCheckpoint } from '../../../src/event-log/relay-row.js'
import type { Load } from '../subject.js'

export const positionAfterLast: Load = async (db, claim, source) => {
  const { page } = await loadCheckpoint(db, claim)
  let last = Number(page ?? 0)
  let read = last
  const save = async (position: number) => {
    last = position
    await savePage(db, claim, position)
  }
  return {
    get page() {
      return last
    },
    openWindow: async () => (await readAfter(db, last, 1)).length > 0,
    readPage: async (after, limit) => {
      const rows = await readAfter(db, after, limit)
      read = Number(rows.at(-1)?.position ?? read)
      return rows.map((row) => toRecordedEvent(row, source))
    },
    checkpoint: save,
    closeWindow: () => save(read),
  }
}

function readAfter(db: Database, position: number, limit: number): Promise<EventRow[]> {
  return query<EventRow>(
    db,
    sql`
      select ${EVENT_COLUMNS} from outbox_events event where event.position > ${String(position)}::text::bigint
      order by event.position limit ${String(limit)}::text::int`,
  )
}

async function savePage(db: Database, { name }: Claim, position: number): Promise<void> {
  await query(
    db,
    sql`update outbox_relays set page = ${String(position)}::text::bigint where name = ${name}::text`,
  )
}
