import { type SQL, sql } from 'drizzle-orm'
import { aggregateKey, type NewEvent } from './new-event.js'

/**
 * The flush, in three forms of one thing: lock the heads of the aggregates and raise them, always in the order of their
 * keys, and only then draw positions for the events, in the order recorded. Each returns the heads. Drivers prepare none
 * of it, so a transaction pays for planning each time, and the two common cases are worth a smaller statement
 * (bench/append.ts).
 *
 * Where the fence does not hold nothing is stored and nothing returned.
 */

/** One event. */
export function appendOne(event: NewEvent, fence: string | undefined): SQL {
  return sql`
    with heads as (
      insert into outbox_aggregates as head (type, id, version)
      select ${event.aggregateType}::text, ${event.aggregateId}::text, 1 where ${isFenced(fence)}
      on conflict (type, id) do update set version = head.version + excluded.version
      returning type, id, version
    ), stored as (
      insert into outbox_events
        (id, aggregate_type, aggregate_id, aggregate_version, type, schema_version, data, metadata, occurred_at)
      select
        ${event.id}::text::uuid, heads.type, heads.id, heads.version, ${event.type}::text,
        ${String(event.schemaVersion)}::text::smallint, ${event.data}::text::json,
        ${encodeMetadata(event)}::text::json, ${event.occurredAt.toISOString()}::text::timestamptz
      from heads
    )
    select type, id, version::text from heads`
}

/** Several events of one aggregate. */
export function appendToOne(events: readonly [NewEvent, ...NewEvent[]], fence: string | undefined): SQL {
  const [{ aggregateType, aggregateId }] = events
  const count = String(events.length)
  return sql`
    with heads as (
      insert into outbox_aggregates as head (type, id, version)
      select ${aggregateType}::text, ${aggregateId}::text, ${count}::text::bigint where ${isFenced(fence)}
      on conflict (type, id) do update set version = head.version + excluded.version
      returning type, id, version
    ), stored as (
      insert into outbox_events
        (id, aggregate_type, aggregate_id, aggregate_version, type, schema_version, data, metadata, occurred_at)
      select
        event.id::uuid, heads.type, heads.id, heads.version - ${count}::text::bigint + ordinal, event.type,
        schema_version::smallint, data::json, metadata::json, occurred_at::timestamptz
      from heads, json_to_recordset(${encodeEvents(events)}::text::json) as event(
        ordinal int, id text, type text, schema_version text, data text, metadata text, occurred_at text)
      order by ordinal
    )
    select type, id, version::text from heads`
}

/** Events of several aggregates. */
export function appendToMany(events: readonly NewEvent[], fence: string | undefined): SQL {
  return sql`
    with appended as materialized (
      select *
      -- data and metadata are text here, cast row by row below: as json inside the record, an escaped \\u0000 or
      -- half of a surrogate pair would fail the whole statement.
      from json_to_recordset(${encodeEvents(events)}::text::json) as event(
        ordinal int, id text, aggregate_type text, aggregate_id text, nth int, of int,
        type text, schema_version text, data text, metadata text, occurred_at text)
      where ${isFenced(fence)}
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
    select type, id, version::text from heads`
}

function isFenced(fence: string | undefined): SQL {
  return fence === undefined ? sql`true` : sql`current_setting('outbox.tx', true) = ${fence}::text`
}

/** With the place of each event among those of the statement (`ordinal`) and of its aggregate (`nth` of `of`). */
function encodeEvents(events: readonly NewEvent[]): string {
  const counts = new Map<string, number>()
  const rows = events.map((event, index) => {
    const key = aggregateKey(event.aggregateType, event.aggregateId)
    const nth = (counts.get(key) ?? 0) + 1
    counts.set(key, nth)
    return { event, key, ordinal: index + 1, nth }
  })
  return JSON.stringify(
    rows.map(({ event, key, ordinal, nth }) => ({
      ordinal,
      id: event.id,
      aggregate_type: event.aggregateType,
      aggregate_id: event.aggregateId,
      nth,
      of: counts.get(key),
      type: event.type,
      schema_version: event.schemaVersion,
      data: event.data,
      metadata: encodeMetadata(event),
      occurred_at: event.occurredAt.toISOString(),
    })),
  )
}

function encodeMetadata({ metadata }: NewEvent): string | null {
  const text = JSON.stringify(metadata)
  return text === '{}' ? null : text
}
