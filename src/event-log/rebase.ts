import { type SQL, sql } from 'drizzle-orm'
import { isOutboxError, OutboxError } from '../errors.js'
import { type Database, databaseFailed, type EventLog, query } from './database.js'
import { clusterChanged, isMoved, isOfThisCluster } from './moved-log.js'
import { NOTHING_PUBLISHED } from './relay-row.js'
import type { OutboxTables } from './tables.js'

/** A Drizzle database, whose transactions can be told how isolated they are. */
export interface TransactionalDatabase {
  // biome-ignore lint/suspicious/noExplicitAny: every driver's transaction has another type
  transaction<T>(run: (tx: any) => Promise<T>, config?: any): Promise<T>
}

/**
 * Carries the checkpoints over into this database cluster, if they come from another. Keeps writers out while it runs,
 * rewrites every row of the log, and fences whoever leads.
 *
 * How much a relay has published is a question of sight: which rows its snapshots see. So the rows are sorted by which
 * relays have published them; each sort gets one of the lowest transaction ids, which no transaction of this cluster has,
 * and each snapshot is written anew as the ids of its sorts. Positions stay, and with them the order of each aggregate: an
 * open window stays open, and has everything that is left to publish.
 *
 * @returns false if somebody else has done it.
 * @throws `ERR_OUTBOX_DATABASE_UNFIT`, with reason `positions-taken` when events were recorded here where others were
 * published before; `cluster-changed` when this role may not do it. `ERR_OUTBOX_DATABASE_FAILED`, with `sqlState` `55P03`
 * when a transaction holds the log.
 */
export async function rebaseLog(db: TransactionalDatabase, tables: OutboxTables): Promise<boolean> {
  const run = async (tx: Database) => rebase({ db: tx, tables })
  try {
    return await db.transaction(run, { isolationLevel: 'read committed' })
  } catch (error) {
    throw isOutboxError(error) ? error : databaseFailed(error)
  }
}

async function rebase(log: EventLog): Promise<boolean> {
  const { events, relays } = log.tables
  // A queue for the lock would be one for all writers. And to rewrite the log may take longer than a role is given.
  await query(
    log,
    sql`select set_config('lock_timeout', ${LOCK_TIMEOUT}, true), set_config('statement_timeout', '0', true)`,
  )
  await checkPrivileges(log)
  await checkPositions(log) // first without the lock: a relay that is refused comes again and again
  await query(log, sql`lock table ${events}, ${relays} in share row exclusive mode`)
  if (!(await wasMoved(log))) return false
  await checkPositions(log)
  await liftSequence(log)
  await translate(log)
  return true
}

/** Whether the log, or a checkpoint in it, comes from another database cluster. */
export async function wasMoved(log: EventLog): Promise<boolean> {
  const [found] = await query<{ moved: string }>(log, sql`select ${isMoved(log.tables)}::text as moved`)
  return found?.moved === 'true'
}

const LOCK_TIMEOUT = '2s'

async function checkPrivileges(log: EventLog): Promise<void> {
  const [may] = await query<{ rewrite: string }>(
    log,
    sql`
      select (has_table_privilege(${log.tables.names.events}::text, 'update')
        and has_sequence_privilege(${sequenceOf(log)}::text, 'update'))::text as rewrite`,
  )
  if (may?.rewrite !== 'true') throw clusterChanged(log.tables)
}

/**
 * Events that were recorded here must stand after those that are published, and after all of their aggregates. Where the
 * sequence was left behind they do not.
 */
async function checkPositions(log: EventLog): Promise<void> {
  const { events } = log.tables
  const [found] = await query<{ taken: string | null }>(
    log,
    sql`
      with recorded as materialized (
        select position, aggregate_type, aggregate_id, aggregate_version, ${isFromHere(log.tables)} as here
        from ${events}
      ), published as (${publishedElsewhere(log.tables)})
      select (
        -- null where nobody has drawn a position
        pg_sequence_last_value(${sequenceOf(log)}::regclass) < (select position from published)
        or exists (select from recorded, published where here and recorded.position <= published.position)
        or exists (
          select from (
            select here, aggregate_version, max(aggregate_version) filter (where here) over (
              partition by aggregate_type, aggregate_id order by position) as version_here
            from recorded
          ) in_order
          where not here and version_here > aggregate_version)
      )::text as taken`,
  )
  if (found?.taken === 'true') throw positionsTaken(log.tables)
}

/** The highest position that relays had published elsewhere. */
function publishedElsewhere({ relays }: OutboxTables): SQL {
  return sql`select max(max_published) as position from ${relays} where not (${isOfThisCluster})`
}

/**
 * A row was surely recorded here if it names the transaction that wrote it (xmin), and so do all others which that one
 * wrote: one that restores a dump writes rows that name many. From the first of these on, so were all rows of which both
 * are transactions of here, such as one that was changed since.
 */
function isFromHere({ events }: OutboxTables): SQL {
  const first = sql`(
    select min(xmin::text::bigint) from ${events} where xmin::text in (
      select xmin::text from ${events} group by xmin::text
      having bool_and(xid::text::numeric % 4294967296 = xmin::text::numeric)))`
  return sql`coalesce(
    xmin::text::bigint >= ${first} and xid::text::numeric % 4294967296 >= ${first}
      and xid < pg_snapshot_xmax(pg_current_snapshot()), false)`
}

/** Logical replication does not bring it along. */
async function liftSequence(log: EventLog): Promise<void> {
  const sequence = sql`${sequenceOf(log)}::regclass`
  await query(
    log,
    sql`
      with highest as (
        select greatest((select max(position) from ${log.tables.events}), published.position) as position
        from (${publishedElsewhere(log.tables)}) published
      )
      select setval(${sequence}, position)::text from highest
      where position > coalesce(pg_sequence_last_value(${sequence}), 0)`,
  )
}

function sequenceOf({ tables }: EventLog): SQL {
  return sql`pg_get_serial_sequence(${tables.names.events}::text, 'position')`
}

/** Sorts the rows, and writes the snapshots anew. */
async function translate(log: EventLog): Promise<void> {
  const { events, relays } = log.tables
  // A letter for each relay, by the order of their names. One from before `max_published` was stored has none.
  const sight = sql`coalesce((
    select string_agg(
      case
        when position <= coalesce(max_published, position) and (pg_visible_in_snapshot(xid, snapshot)
          or next is not null and pg_visible_in_snapshot(xid, next) and position <= page) then 'p'
        else '-'
      end, '' order by name collate "C")
    from ${relays}), '')`
  const rows = await query<{ sight: string }>(
    log,
    sql`select distinct ${sight} as sight from ${events} order by sight`,
  )
  const all = `${FIRST_XID}:${FIRST_XID + rows.length}:`
  const sights = JSON.stringify(rows.map((row) => row.sight))
  const sorts = sql`json_array_elements_text(${sights}::text::json) with ordinality as sort (sight, number)`
  await query(
    log,
    sql`
      update ${events} set xid = (
        select (${firstXid} + number - 1)::text::xid8 from ${sorts} where sort.sight = ${sight})`,
  )
  await query(
    log,
    sql`
      with places as (
        select name, row_number() over (order by name collate "C")::int as place from ${relays}
      ), seen as (
        select name, count(*) filter (where published) as published,
          string_agg((${firstXid} + number - 1)::text, ',' order by number) filter (where not published) as missing
        from (
          select name, number, substr(sort.sight, place, 1) = 'p' as published from places, ${sorts}
        ) sorted group by name
      )
      update ${relays} relay set
        snapshot = case when published > 0 then concat(${all}::text, missing) else ${NOTHING_PUBLISHED}::text end::pg_snapshot,
        next = case when next is not null then ${all}::text::pg_snapshot end,
        page = null,
        cluster = (select system_identifier::text from pg_control_system()),
        epoch = epoch + 1, owner = null -- and the lease runs out: who holds it may be about to send
      from places left join seen using (name)
      where places.name = relay.name`,
  )
}

/** The lowest id that a snapshot can name (PostgreSQL's FirstNormalTransactionId). */
const FIRST_XID = 3
const firstXid = sql.raw(String(FIRST_XID))

/**
 * Only says that the checkpoints belong to this cluster: after pg_upgrade, which keeps transaction ids.
 *
 * @throws `ERR_OUTBOX_DATABASE_UNFIT` when it was no such upgrade: ids are in use that this cluster has not yet given out,
 * or a checkpoint sees events that its relay has not published.
 */
export async function adoptUpgrade(log: EventLog): Promise<void> {
  const { events, relays } = log.tables
  await query(
    log,
    sql`
      update ${relays} set cluster = system_identifier::text, epoch = epoch + 1, owner = null
      from pg_control_system(), pg_snapshot_xmax(pg_current_snapshot()) as end_of_ids
      where cluster <> system_identifier::text
        and not exists (select from ${events} where xid >= end_of_ids)
        and not exists (select from ${relays}
          where greatest(pg_snapshot_xmax(snapshot), pg_snapshot_xmax(next)) > end_of_ids)
        and not exists (select from ${relays}, ${events} event
          where position > max_published and pg_visible_in_snapshot(event.xid, snapshot))`,
  )
  if (await wasMoved(log)) throw clusterChanged(log.tables)
}

function positionsTaken({ names: { events } }: OutboxTables) {
  return new OutboxError(
    'ERR_OUTBOX_DATABASE_UNFIT',
    `events of ${events} that this database cluster has recorded stand at positions that were published in the one named by the checkpoints. If this is that one, after pg_upgrade: rebaseOutbox(db, { upgraded: true }), or \`npx drizzle-outbox rebase --upgraded\`. If the log was moved without its sequence, "Moving the database" in docs/operations.md says how to give them positions of their own`,
    { reason: 'positions-taken' },
  )
}
