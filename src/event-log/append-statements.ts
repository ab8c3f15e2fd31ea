import { type SQL, sql } from 'drizzle-orm'
import { aggregateKey, type NewEvent } from './new-event.js'
import { type BoundStatement, Statement } from './statement.js'
import type { OutboxTables } from './tables.js'

/**
 * The flush, in three forms of one thing: lock the heads of the aggregates and raise them, always in the order of their
 * keys, and only then draw positions for the events, in the order recorded. Each returns the heads, with the id of the
 * transaction. A transaction may have to pay for planning each time, so the two common cases are worth a smaller
 * statement (bench/append.ts).
 *
 * Where the fence does not hold nothing is stored and nothing returned.
 */
export interface AppendStatements {
  readonly one: Statement
  readonly toOne: Statement
  readonly toMany: Statement
}

const $ = sql.placeholder

export function appendStatements(tables: OutboxTables, fenced: boolean): AppendStatements {
  const holds = fenced ? sql`current_setting('outbox.tx', true) = ${$('fence')}::text` : sql`true`
  return {
    one: new Statement(appendOne(tables, holds)),
    toOne: new Statement(appendToOne(tables, holds)),
    toMany: new Statement(appendToMany(tables, holds)),
  }
}

export function bindAppend(
  { one, toOne, toMany }: AppendStatements,
  events: readonly [NewEvent, ...NewEvent[]],
  fence: string | null,
): BoundStatement {
  const [first] = events
  const { aggregateType, aggregateId } = first
  if (events.length === 1)
    return one.bind({
      fence,
      aggregateType,
      aggregateId,
      id: first.id,
      type: first.type,
      schemaVersion: String(first.schemaVersion),
      data: first.data,
      metadata: encodeMetadata(first),
      occurredAt: first.occurredAt.toISOString(),
    })
  const ofOne = events.every(
    (event) => event.aggregateType === aggregateType && event.aggregateId === aggregateId,
  )
  if (ofOne)
    return toOne.bind({
      fence,
      aggregateType,
      aggregateId,
      count: String(events.length),
      events: encodeEvents(events),
    })
  return toMany.bind({ fence, events: encodeEvents(events) })
}

/** One event. */
function appendOne(tables: OutboxTables, holds: SQL): SQL {
  return sql`
    with heads as (
      insert into ${tables.aggregates} as head (type, id, version)
      select ${$('aggregateType')}::text, ${$('aggregateId')}::text, 1 where ${holds}
      on conflict (type, id) do update set version = head.version + excluded.version
      returning type, id, version
    ), stored as (
      insert into ${tables.events}
        (id, aggregate_type, aggregate_id, aggregate_version, type, schema_version, data, metadata, occurred_at)
      select
        ${$('id')}::text::uuid, heads.type, heads.id, heads.version, ${$('type')}::text,
        ${$('schemaVersion')}::text::smallint, ${$('data')}::text::json, ${$('metadata')}::text::json,
        ${$('occurredAt')}::text::timestamptz
      from heads
    )
    select type, id, version::text, pg_current_xact_id()::text as xid from heads`
}

/** Several events of one aggregate. */
function appendToOne(tables: OutboxTables, holds: SQL): SQL {
  return sql`
    with heads as (
      insert into ${tables.aggregates} as head (type, id, version)
      select ${$('aggregateType')}::text, ${$('aggregateId')}::text, ${$('count')}::text::bigint where ${holds}
      on conflict (type, id) do update set version = head.version + excluded.version
      returning type, id, version
    ), stored as (
      insert into ${tables.events}
        (id, aggregate_type, aggregate_id, aggregate_version, type, schema_version, data, metadata, occurred_at)
      select
        event.id::uuid, heads.type, heads.id, heads.version - ${$('count')}::text::bigint + ordinal, event.type,
        schema_version::smallint, data::json, metadata::json, occurred_at::timestamptz
      from heads, json_to_recordset(${$('events')}::text::json) as event(
        ordinal int, id text, type text, schema_version text, data text, metadata text, occurred_at text)
      order by ordinal
    )
    select type, id, version::text, pg_current_xact_id()::text as xid from heads`
}

/** Events of several aggregates. */
function appendToMany(tables: OutboxTables, holds: SQL): SQL {
  return sql`
    with appended as materialized (
      select *
      -- data and metadata are text here, cast row by row below: as json inside the record, an escaped \\u0000 or
      -- half of a surrogate pair would fail the whole statement.
      from json_to_recordset(${$('events')}::text::json) as event(
        ordinal int, id text, aggregate_type text, aggregate_id text, nth int, of int,
        type text, schema_version text, data text, metadata text, occurred_at text)
      where ${holds}
    ), heads as (
      insert into ${tables.aggregates} as head (type, id, version)
      select aggregate_type, aggregate_id, of from appended where nth = 1
      order by aggregate_type, aggregate_id -- all writers lock in one order: no deadlock among them
      on conflict (type, id) do update set version = head.version + excluded.version
      returning type, id, version
    ), stored as (
      insert into ${tables.events}
        (id, aggregate_type, aggregate_id, aggregate_version, type, schema_version, data, metadata, occurred_at)
      select
        appended.id::uuid, aggregate_type, aggregate_id, heads.version - of + nth, appended.type,
        schema_version::smallint, data::json, metadata::json, occurred_at::timestamptz
      from appended join heads on heads.type = aggregate_type and heads.id = aggregate_id
      order by ordinal -- without it the join decides who draws which position
    )
    select type, id, version::text, pg_current_xact_id()::text as xid from heads`
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
