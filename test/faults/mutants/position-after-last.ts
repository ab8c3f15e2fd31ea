/** Mutant: `position > last`, as if positions became visible in their order. */
import { sql } from 'drizzle-orm'
import { type EventLog, query } from '../../../src/event-log/database.js'
import { EVENT_COLUMNS, type EventRow, toRecordedEvent } from '../../../src/event-log/event-row.js'
import { type Progress, pageOf } from '../../../src/event-log/log-reader.js'
import { type Claim, loadCheckpoint } from '../../../src/event-log/relay-row.js'
import type { Load } from '../subject.js'

export const positionAfterLast: Load = async (log, claim, source) => {
  const { page } = await loadCheckpoint(log, claim)
  let last = Number(page ?? 0)
  let read = last
  const save = async ({ position }: Progress) => {
    last = position
    await savePage(log, claim, position)
  }
  return {
    get page() {
      return last
    },
    openWindow: async () => (await readAfter(log, last, 1)).length > 0,
    readPage: async (after, limit) => {
      const events = (await readAfter(log, after, limit)).map((row) => toRecordedEvent(row, source))
      read = events.at(-1)?.position ?? read
      return pageOf(events, limit)
    },
    checkpoint: save,
    closeWindow: () => save({ position: read }),
  }
}

function readAfter(log: EventLog, position: number, limit: number): Promise<EventRow[]> {
  return query<EventRow>(
    log,
    sql`
      select ${EVENT_COLUMNS} from outbox_events event where event.position > ${String(position)}::text::bigint
      order by event.position limit ${String(limit)}::text::int`,
  )
}

async function savePage(log: EventLog, { name }: Claim, position: number): Promise<void> {
  await query(
    log,
    sql`
      update outbox_relays set page = greatest(page, ${String(position)}::text::bigint) where name = ${name}::text`,
  )
}
