import { sql } from 'drizzle-orm'
import { type EventLog, query, type TextRow } from './database.js'

/** Seven days: how long published events stay in the log unless somebody says otherwise. */
export const DEFAULT_RETENTION_MS = 7 * 24 * 3_600_000

export interface Pruned {
  /** How many events were deleted. */
  readonly events: number
  /** The position of the last one that was looked at. Undefined: there is none after `after`. */
  readonly last: number | undefined
  /** The first of them that has to stay for now: too young, or not yet published by every relay. */
  readonly waits: number | undefined
  /** Another process is at it: nothing was deleted. */
  readonly busy: boolean
}

/**
 * Deletes events after a position that have served their time, of the next 10000 in the log: those that
 * *every* relay has published, by its stored snapshot, and that are older than `olderThanMs` by the database's clock.
 * What an operator has discarded goes with its event. The heads of aggregates stay, or versions would begin anew.
 *
 * Each clause has a mutant that forgets it
 * (test/faults/retention.test.ts).
 */
export async function pruneBatch(log: EventLog, after: number, olderThanMs: number): Promise<Pruned> {
  const { events, relays, deadLetters, names } = log.tables
  const [row] = await query<PrunedRow>(
    log,
    sql`
      with turn as materialized (
        -- two at once would delete the same rows, in orders that may deadlock
        select pg_try_advisory_xact_lock(
          hashtext('drizzle-outbox retention'), ${names.events}::text::regclass::oid::int) as ours
      ), published as materialized (
        select array_agg(snapshot) as snapshots, min(replay_from) as replay_from,
          -- Null: without a relay nothing is published. In another cluster these ids mean nothing.
          bool_and(kind = 'snapshot' and cluster = (select system_identifier::text from pg_control_system())) as known
        from ${relays}
      ), looked_at as materialized (
        select position, xid, occurred_at from ${events}
        where position > ${String(after)}::text::bigint
        order by position limit ${String(PRUNE_BATCH)}::text::int
      ), judged as materialized (
        select position,
          (select ours from turn) and known is true
            and extract(epoch from clock_timestamp() - occurred_at) * 1000 > ${String(olderThanMs)}::text::float
            -- an array, because for a table the planner would expect so many relays that it compiles (JIT)
            and not exists (select from unnest(snapshots) snapshot where not pg_visible_in_snapshot(xid, snapshot))
            and position < coalesce(replay_from, 9223372036854775807) -- what is published again
            as served,
          refused.position is not null as refused,
          -- by an application's clock that is wrong: nobody waits for that
          occurred_at > clock_timestamp() + interval '1 hour' as ahead
        from looked_at cross join published left join (
          select distinct position from ${deadLetters} where state <> 'discarded'
        ) refused using (position)
      ), pruned as (
        delete from ${events} event using judged
        where judged.position = event.position and served and not refused
        returning judged.position
      ), discarded as (
        delete from ${deadLetters} letter using pruned where pruned.position = letter.position
      )
      select (select not ours from turn)::text as busy, (select count(*) from pruned)::text as events,
        max(position)::text as last, min(position) filter (where not served and not ahead)::text as waits
      from judged`,
  )
  const numberOf = (text: string | null | undefined) => (text == null ? undefined : Number(text))
  return {
    events: Number(row?.events ?? 0),
    last: numberOf(row?.last),
    waits: numberOf(row?.waits),
    busy: row?.busy === 'true',
  }
}

interface PrunedRow extends TextRow {
  readonly busy: string
  readonly events: string
  readonly last: string | null
  readonly waits: string | null
}

/** Some tens of milliseconds. */
const PRUNE_BATCH = 10_000
