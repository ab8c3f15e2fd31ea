import { sql } from 'drizzle-orm'
import type { RecordedEvent } from '../events/domain-event.js'
import type { TextRow } from './database.js'

/** The columns of an event, as text. Time goes out as a number: how it prints depends on the session's settings. */
export const EVENT_COLUMNS = sql`
  position::text, id::text, aggregate_type, aggregate_id, aggregate_version::text, type, schema_version::text,
  data::text, metadata::text, (extract(epoch from occurred_at) * 1000)::text as occurred_at`

export interface EventRow extends TextRow {
  readonly position: string
  readonly id: string
  readonly aggregate_type: string
  readonly aggregate_id: string
  readonly aggregate_version: string
  readonly type: string
  readonly schema_version: string
  readonly data: string
  readonly metadata: string | null
  readonly occurred_at: string
}

export function toRecordedEvent(row: EventRow, source: string): RecordedEvent {
  const event = {
    id: row.id,
    type: row.type,
    schemaVersion: Number(row.schema_version),
    aggregateType: row.aggregate_type,
    aggregateId: row.aggregate_id,
    aggregateVersion: Number(row.aggregate_version),
    position: Number(row.position),
    source,
    occurredAt: new Date(Number(row.occurred_at)),
    data: row.data,
    metadata: NO_METADATA,
  }
  if (row.metadata === null) return event
  const { dataschema, ...metadata } = JSON.parse(row.metadata)
  return dataschema === undefined ? { ...event, metadata } : { ...event, metadata, dataschema }
}

const NO_METADATA = Object.freeze({})
