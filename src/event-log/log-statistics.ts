import { type SQL, sql } from 'drizzle-orm'
import { type EventLog, query, type TextRow } from './database.js'

/** How large the log is, by what the database knows without counting. */
export interface LogSize {
  /** Rows of the log, as of the last VACUUM or ANALYZE. Undefined: there was none yet. */
  readonly estimatedEvents: number | undefined
  /** Bytes on disk: the log with its indexes and what is dead in them. */
  readonly bytes: number
}

/** How far a relay is, and who holds its lease. Ages are by the database's clock. */
export interface RelayProgress {
  readonly name: string
  /** `held`, `lapsed` (its owner is gone without a word), or `free`: nobody runs, or it was released. */
  readonly lease: 'held' | 'lapsed' | 'free'
  /** Who holds the lease, or held it when it lapsed: `host:pid:random`. */
  readonly owner: string | undefined
  /** How often the lease has changed hands. */
  readonly epoch: number
  /** Milliseconds since its last sign of life. */
  readonly inactiveMs: number
  /** Events that are committed and not yet acknowledged, without dead letters. During a replay: and those to come again. */
  readonly pendingEvents: number
  /** Milliseconds since the oldest of them was recorded. Undefined: nothing is pending. */
  readonly oldestPendingAgeMs: number | undefined
  /** Events that the broker refused, and those that wait behind them. */
  readonly deadLetters: number
  /** Whether published events are being published again. */
  readonly replaying: boolean
}

/** @throws `ERR_OUTBOX_TABLES_MISSING` */
export async function readLogSize(log: EventLog): Promise<LogSize> {
  const { events } = log.tables.names
  const [row] = await query<SizeRow>(
    log,
    sql`
      select sum(reltuples::bigint) filter (where reltuples >= 0)::text as events,
        sum(pg_total_relation_size(oid))::text as bytes
      from pg_class
      -- a table of its own, or the partitions of one
      where oid = ${events}::text::regclass or oid in (select relid from pg_partition_tree(${events}::text))`,
  )
  // Servers before version 14 say 0 for a table that was never looked at.
  const estimated = Number(row?.events ?? 0)
  return { estimatedEvents: estimated === 0 ? undefined : estimated, bytes: Number(row?.bytes ?? 0) }
}

/** The names of all relays that ever ran on this log and were not forgotten, in order. */
export async function readRelayNames(log: EventLog): Promise<string[]> {
  const rows = await query<{ name: string }>(log, sql`select name from ${log.tables.relays} order by name`)
  return rows.map(({ name }) => name)
}

/**
 * What a relay has published and what there is, at one moment. It counts what is pending, and costs as much as that,
 * however long the log is. One relay at a time: for several, the planner would expect so much that it compiles (JIT),
 * which takes a second.
 *
 * @returns undefined where there is no relay of this name.
 */
export async function readRelayProgress(log: EventLog, name: string): Promise<RelayProgress | undefined> {
  const { events, relays, deadLetters } = log.tables
  // The planner knows nothing of these ids. It takes a range with two ends for a small one, and so the index on xid.
  const end = sql`'18446744073709551615'::xid8`
  const [row] = await query<ProgressRow>(
    log,
    sql`
      select owner, epoch::text, (replay_from is not null)::text as replaying,
        case when lease_until >= clock_timestamp() then 'held' when owner is null then 'free' else 'lapsed' end as lease,
        ${milliseconds(sql`active_at`)} as inactive,
        pending.events::text as pending, ${milliseconds(sql`pending.oldest`)} as oldest,
        (select count(*) from ${deadLetters} where relay = name and state <> 'discarded')::text as dead_letters
      from ${relays} relay cross join lateral (
        select count(*) as events, min(occurred_at) as oldest
        from (
          -- what no window has reached
          select occurred_at from ${events}
          where xid >= pg_snapshot_xmax(coalesce(next, snapshot)) and xid < ${end}
          union all
          select occurred_at from ${events}
          where xid = any(array(select pg_snapshot_xip(coalesce(next, snapshot))))
          -- what is left of the open window
          union all
          select occurred_at from ${events}
          where replay_from is null and xid >= pg_snapshot_xmax(snapshot) and xid < pg_snapshot_xmax(next)
            and pg_visible_in_snapshot(xid, next) and position > coalesce(page, 0)
          union all
          select occurred_at from ${events}
          where replay_from is null and xid = any(array(select pg_snapshot_xip(snapshot)))
            and pg_visible_in_snapshot(xid, next) and position > coalesce(page, 0)
          union all
          -- a replay's window begins with the log
          select occurred_at from ${events}
          where replay_from is not null and position > coalesce(page, 0) and position < 9223372036854775807
            and pg_visible_in_snapshot(xid, next) and not pg_visible_in_snapshot(xid, snapshot)
        ) event
      ) pending
      where name = ${name}::text`,
  )
  return (
    row && {
      name,
      lease: row.lease,
      owner: row.owner ?? undefined,
      epoch: Number(row.epoch),
      inactiveMs: Number(row.inactive),
      pendingEvents: Number(row.pending),
      oldestPendingAgeMs: row.oldest === null ? undefined : Number(row.oldest),
      deadLetters: Number(row.dead_letters),
      replaying: row.replaying === 'true',
    }
  )
}

/** None before it, such as an application's clock that is ahead. */
function milliseconds(since: SQL): SQL {
  return sql`(extract(epoch from greatest(clock_timestamp(), ${since}) - ${since}) * 1000)::bigint::text`
}

interface SizeRow extends TextRow {
  readonly events: string | null
  readonly bytes: string | null
}

interface ProgressRow extends TextRow {
  readonly lease: RelayProgress['lease']
  readonly owner: string | null
  readonly epoch: string
  readonly inactive: string
  readonly pending: string
  readonly oldest: string | null
  readonly dead_letters: string
  readonly replaying: string
}
