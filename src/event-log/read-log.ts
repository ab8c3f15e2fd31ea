import { sql } from 'drizzle-orm'
import type { RecordedEvent } from '../events/domain-event.js'
import { type Database, query } from './database.js'
import { EVENT_COLUMNS, type EventRow, toRecordedEvent } from './event-row.js'

/** The whole log by position, published or not. For tests and tools: a relay reads it through `LogReader`. */
export async function readLog(db: Database, source: string): Promise<RecordedEvent[]> {
  const rows = await query<EventRow>(
    db,
    sql`select ${EVENT_COLUMNS} from outbox_events event order by event.position`,
  )
  return rows.map((row) => toRecordedEvent(row, source))
}
