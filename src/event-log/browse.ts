import { type SQL, sql } from 'drizzle-orm'
import type { RecordedEvent } from '../events/domain-event.js'
import { type EventLog, query } from './database.js'
import { EVENT_COLUMNS, type EventRow, toRecordedEvent } from './event-row.js'

/** Which events of the log; without anything, all of them. */
export interface EventFilter {
  /** A UUID. */
  readonly id?: string | undefined
  readonly aggregateType?: string | undefined
  readonly aggregateId?: string | undefined
  /** Such as `order.placed`. */
  readonly type?: string | undefined
  /** Recorded at this time or later. */
  readonly since?: Date | undefined
  /** Recorded before this time. */
  readonly until?: Date | undefined
}

/** A part of the log, by position. */
export interface Stretch {
  /** A position. */
  readonly after?: number
  /** Only what this snapshot does not see, whatever its position. */
  readonly unseenBy?: string | undefined
  /** Only what this snapshot sees. */
  readonly seenBy?: string | undefined
  readonly limit: number
  /** Which of them, where there are more than the limit. They come by position either way. */
  readonly end: 'first' | 'last'
}

/** Events by filter, published or not, by position. Looks at one after the other: only positions and snapshots have an index. */
export async function browseLog(
  log: EventLog,
  source: string,
  filter: EventFilter,
  { after = 0, unseenBy, seenBy, limit, end }: Stretch,
): Promise<RecordedEvent[]> {
  const conditions = [
    sql`position > ${String(after)}::text::bigint`,
    ...(unseenBy === undefined ? [] : unseen(unseenBy)),
    ...(seenBy === undefined ? [] : [sql`pg_visible_in_snapshot(xid, ${seenBy}::text::pg_snapshot)`]),
    ...conditionsOf(filter),
  ]
  // What is new is found by the index on xid: the "+ 0" keeps the planner off the primary key.
  const order = unseenBy === undefined ? sql`position` : sql`position + 0`
  const rows = await query<EventRow>(
    log,
    sql`
      select ${EVENT_COLUMNS} from (
        select * from ${log.tables.events} where ${sql.join(conditions, sql` and `)}
        order by ${order} ${end === 'last' ? sql`desc` : sql`asc`} limit ${String(limit)}::text::int
      ) event
      order by event.position`,
  )
  return rows.map((row) => toRecordedEvent(row, source))
}

/** What can be seen now: a later one tells what has been committed since, at whatever position. */
export async function currentSnapshot(log: EventLog): Promise<string> {
  const [row] = await query<{ snapshot: string }>(log, sql`select pg_current_snapshot()::text as snapshot`)
  return row!.snapshot
}

/** The first condition is what the index on xid can do. */
function unseen(by: string): SQL[] {
  return [
    sql`xid >= pg_snapshot_xmin(${by}::text::pg_snapshot)`,
    sql`not pg_visible_in_snapshot(xid, ${by}::text::pg_snapshot)`,
  ]
}

function conditionsOf({ id, aggregateType, aggregateId, type, since, until }: EventFilter): SQL[] {
  const conditions: SQL[] = []
  if (id !== undefined) conditions.push(sql`id = ${id}::text::uuid`)
  if (aggregateType !== undefined) conditions.push(sql`aggregate_type = ${aggregateType}::text`)
  if (aggregateId !== undefined) conditions.push(sql`aggregate_id = ${aggregateId}::text`)
  if (type !== undefined) conditions.push(sql`type = ${type}::text`)
  if (since !== undefined) conditions.push(sql`occurred_at >= ${timestamp(since)}`)
  if (until !== undefined) conditions.push(sql`occurred_at < ${timestamp(until)}`)
  return conditions
}

function timestamp(time: Date): SQL {
  return sql`to_timestamp(${String(time.getTime() / 1000)}::text::float)`
}
