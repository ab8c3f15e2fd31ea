import { sql } from 'drizzle-orm'
import type { RecordedEvent } from '../events/domain-event.js'
import { type EventLog, query } from './database.js'
import { EVENT_COLUMNS, type EventRow, toRecordedEvent } from './event-row.js'

/** The whole log by position, published or not. For tests and tools: a relay reads it through `LogReader`. */
export async function readLog(log: EventLog, source: string): Promise<RecordedEvent[]> {
  const rows = await query<EventRow>(
    log,
    sql`select ${EVENT_COLUMNS} from ${log.tables.events} event order by event.position`,
  )
  return rows.map((row) => toRecordedEvent(row, source))
}
