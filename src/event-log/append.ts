import { sql } from 'drizzle-orm'
import type { Metadata } from '../events/metadata.js'
import { type Database, query } from './database.js'

/** An event on its way into the log. */
export interface NewEvent {
  readonly id: string
  readonly aggregateType: string
  readonly aggregateId: string
  readonly type: string
  readonly schemaVersion: number
  readonly occurredAt: Date
  /** JSON text, stored as it is. */
  readonly data: string
  readonly metadata: Metadata & { readonly dataschema?: string | undefined }
}

/** The aggregate's version after its last event, by {@link aggregateKey}. */
export type Heads = ReadonlyMap<string, number>

export function aggregateKey(type: string, id: string): string {
  return `${type}\0${id}`
}

/**
 * Appends events, in their order, in one statement. It locks the heads of their aggregates, always in the order of
 * their keys, and hands out versions without gaps, before any event draws its `position`: so the order of positions is
 * the commit order of each aggregate.
 *
 * @param fence The value of the session setting `outbox.tx` in the transaction that the caller believes to be in.
 * When another transaction, or none, is on the connection, nothing is stored and no head is returned.
 */
export async function appendEvents(
  db: Database,
  events: readonly NewEvent[],
  fence: string | undefined,
): Promise<Heads> {
  const rows = await query<{ type: string; id: string; version: string }>(
    db,
    sql`
      with appended as materialized (
        select *
        -- data and metadata are text here, cast row by row below: as json inside the record, an escaped \\u0000 or
        -- half of a surrogate pair would fail the whole statement.
        from json_to_recordset(${encodeEvents(events)}::text::json) as event(
          ordinal int, id text, aggregate_type text, aggregate_id text, nth int, of int,
          type text, schema_version text, data text, metadata text, occurred_at text)
        where ${fence === undefined ? sql`true` : sql`current_setting('outbox.tx', true) = ${fence}::text`}
      ), heads as (
        insert into outbox_aggregates as head (type, id, version)
        select aggregate_type, aggregate_id, of from appended where nth = 1
        order by aggregate_type, aggregate_id -- all writers lock in one order: no deadlock among them
        on conflict (type, id) do update set version = head.version + excluded.version
        returning type, id, version
      ), stored as (
        insert into outbox_events
          (id, aggregate_type, aggregate_id, aggregate_version, type, schema_version, data, metadata, occurred_at)
        select
          appended.id::uuid, aggregate_type, aggregate_id, heads.version - of + nth, appended.type,
          schema_version::smallint, data::json, metadata::json, occurred_at::timestamptz
        from appended join heads on heads.type = aggregate_type and heads.id = aggregate_id
        order by ordinal -- without it the join decides who draws which position
      )
      select type, id, version::text from heads`,
  )
  return new Map(rows.map(({ type, id, version }) => [aggregateKey(type, id), Number(version)]))
}

function encodeEvents(events: readonly NewEvent[]): string {
  const counts = new Map<string, number>()
  const rows = events.map((event, ordinal) => {
    const key = aggregateKey(event.aggregateType, event.aggregateId)
    const nth = (counts.get(key) ?? 0) + 1
    counts.set(key, nth)
    return {
      key,
      ordinal,
      id: event.id,
      aggregate_type: event.aggregateType,
      aggregate_id: event.aggregateId,
      nth,
      type: event.type,
      schema_version: event.schemaVersion,
      data: event.data,
      metadata: encodeMetadata(event.metadata),
      occurred_at: event.occurredAt.toISOString(),
    }
  })
  return JSON.stringify(rows.map(({ key, ...row }) => ({ ...row, of: counts.get(key) })))
}

function encodeMetadata(metadata: NewEvent['metadata']): string | null {
  const text = JSON.stringify(metadata)
  return text === '{}' ? null : text
}

/** How many events the aggregate has in the log. */
export async function readVersion(db: Database, aggregateType: string, aggregateId: string): Promise<number> {
  const [row] = await query<{ version: string }>(
    db,
    sql`
      select version::text from outbox_aggregates
      where type = ${aggregateType}::text and id = ${aggregateId}::text`,
  )
  return Number(row?.version ?? 0)
}
