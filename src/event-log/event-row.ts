import { sql } from 'drizzle-orm'
import type { RecordedEvent } from '../events/domain-event.js'
import type { TextRow } from './database.js'

/**
 * The columns of an event, as text. What can hold no space goes as one: a driver takes as long for each column of a row as
 * for splitting all of these. Time goes as milliseconds: how it prints depends on the session's settings.
 */
export const EVENT_COLUMNS = sql`
  concat_ws(' ', position, id, aggregate_version, schema_version,
    (date_part('epoch', occurred_at) * 1000000)::bigint / 1000) as facts,
  aggregate_type, aggregate_id, type, data::text, metadata::text`

export interface EventRow extends TextRow {
  /** Position, id, aggregate version, schema version, time. */
  readonly facts: string
  readonly aggregate_type: string
  readonly aggregate_id: string
  readonly type: string
  readonly data: string
  readonly metadata: string | null
}

export function toRecordedEvent(row: EventRow, source: string): RecordedEvent {
  const { facts } = row
  // In half the time of `split`.
  const toId = facts.indexOf(' ')
  const toVersion = facts.indexOf(' ', toId + 1)
  const toSchema = facts.indexOf(' ', toVersion + 1)
  const toTime = facts.indexOf(' ', toSchema + 1)
  const event = {
    id: facts.slice(toId + 1, toVersion),
    type: row.type,
    schemaVersion: Number(facts.slice(toSchema + 1, toTime)),
    aggregateType: row.aggregate_type,
    aggregateId: row.aggregate_id,
    aggregateVersion: Number(facts.slice(toVersion + 1, toSchema)),
    position: Number(facts.slice(0, toId)),
    source,
    occurredAt: new Date(Number(facts.slice(toTime + 1))),
    data: row.data,
    metadata: NO_METADATA,
  }
  if (row.metadata === null) return event
  const { dataschema, ...metadata } = JSON.parse(row.metadata)
  return dataschema === undefined ? { ...event, metadata } : { ...event, metadata, dataschema }
}

const NO_METADATA = Object.freeze({})
