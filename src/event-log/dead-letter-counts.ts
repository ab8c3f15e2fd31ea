import { sql } from 'drizzle-orm'
import { type EventLog, query, type TextRow } from './database.js'

/** What a relay has set aside. */
export interface DeadLetterCounts {
  /** Events, by their state. */
  readonly byState: Readonly<Record<string, number>>
  /** Aggregates whose later events wait. */
  readonly blockedAggregates: number
}

/** Costs as much as there are of them. */
export async function countDeadLetters(log: EventLog, relay: string): Promise<DeadLetterCounts> {
  const [row] = await query<CountRow>(
    log,
    sql`
      with letters as materialized (
        select state, aggregate_type, aggregate_id, holds and state <> 'discarded' as blocking
        from ${log.tables.deadLetters} where relay = ${relay}::text
      )
      select
        (select json_object_agg(state, events) from (
          select state, count(*) as events from letters group by state
        ) counted)::text as by_state,
        (select count(*) from (
          select distinct aggregate_type, aggregate_id from letters where blocking
        ) blocked)::text as blocked_aggregates`,
  )
  return {
    byState: JSON.parse(row?.by_state ?? '{}'),
    blockedAggregates: Number(row?.blocked_aggregates ?? 0),
  }
}

interface CountRow extends TextRow {
  readonly by_state: string | null
  readonly blocked_aggregates: string
}
