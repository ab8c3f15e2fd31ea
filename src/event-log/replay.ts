import { type SQL, sql } from 'drizzle-orm'
import { type EventLog, query } from './database.js'

/** Where a replay begins, and how much it is. */
export interface ReplayRange {
  /** Undefined: the log retains nothing from there on. */
  readonly position: number | undefined
  readonly events: number
}

/** From an event, a time, or a position. */
export type ReplayStart =
  | { readonly position: number }
  | { readonly time: Date }
  | { readonly eventId: string }

/** What the log retains from there on. Counts rows. */
export async function findReplayRange(log: EventLog, start: ReplayStart): Promise<ReplayRange> {
  const [row] = await query<{ position: string | null; events: string }>(
    log,
    sql`
      select min(position)::text as position, count(*)::text as events
      from ${log.tables.events} where ${isWithin(log, start)}`,
  )
  const position = row?.position == null ? undefined : Number(row.position)
  return { position, events: Number(row?.events) }
}

function isWithin({ tables }: EventLog, start: ReplayStart): SQL {
  if ('position' in start) return sql`position >= ${String(start.position)}::text::bigint`
  if ('time' in start)
    return sql`position >= (select min(position) from ${tables.events}
      where occurred_at >= to_timestamp(${String(start.time.getTime() / 1000)}::text::float))`
  return sql`position >= (select position from ${tables.events} where id = ${start.eventId}::text::uuid)`
}

/**
 * Has a relay publish again what it has published from a position on, in the order of the log, up to where it is. Whoever
 * leads is fenced: it must not close the window that it believes to be in.
 *
 * A window that is open stays so, with the published events added to it: from the replay's position, or from the page
 * where it stands if that is before.
 *
 * @returns false if there is no such relay.
 */
export async function requestReplay(log: EventLog, relay: string, position: number): Promise<boolean> {
  const rows = await query(
    log,
    sql`
      update ${log.tables.relays} set
        replay_from = ${String(position)}::text::bigint, replay_begun = false, replays = replays + 1,
        page = case when next is null then ${String(position)}::text::bigint - 1
          else least(coalesce(page, 0), ${String(position)}::text::bigint - 1) end,
        next = coalesce(next, snapshot),
        epoch = epoch + 1, owner = null, lease_until = null
      where name = ${relay}::text
      returning name`,
  )
  return rows.length > 0
}

/** Ends a replay; what was not published before is published as ever. @returns false if there is none. */
export async function withdrawReplay(log: EventLog, relay: string): Promise<boolean> {
  const rows = await query(
    log,
    sql`
      update ${log.tables.relays} set replay_from = null, epoch = epoch + 1, owner = null, lease_until = null
      where name = ${relay}::text and replay_from is not null
      returning name`,
  )
  return rows.length > 0
}
