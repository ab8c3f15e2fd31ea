import { sql } from 'drizzle-orm'
import { OutboxError } from '../errors.js'
import { type EventLog, query, sqlState } from './database.js'
import { clusterChanged, isMoved } from './moved-log.js'
import { NOTHING_PUBLISHED } from './relay-row.js'
import type { OutboxTables } from './tables.js'

/** Whether the log, or a checkpoint in it, comes from another database cluster. */
export async function wasMoved(log: EventLog): Promise<boolean> {
  const [found] = await query<{ moved: string }>(
    log,
    sql`select ${sql.raw(isMoved(log.tables))}::text as moved`,
  )
  return found?.moved === 'true'
}

/**
 * Carries the checkpoints over into this database cluster, if they come from another: one statement, which keeps writers
 * out while it runs, rewrites every row of the log, and fences whoever leads. Does nothing if there is nothing to do.
 *
 * How much a relay has published is a question of sight: which rows its snapshots see. So the rows are sorted by who
 * sees them how; each sort gets one of the lowest transaction ids, which no transaction of this cluster has, and each
 * snapshot is written anew as the ids of the sorts that it sees. What no relay has in sight gets the id of this
 * transaction, as if it had just been recorded. Positions stay, and with them the order of each aggregate.
 *
 * @throws `ERR_OUTBOX_DATABASE_UNFIT`, with reason `positions-taken` when events were recorded here at positions that
 * others had before them; `cluster-changed` when this role may not do it.
 */
export async function rebaseLog(log: EventLog): Promise<void> {
  try {
    await query(log, sql.raw(`do ${quoteLiteral(rebaseProgram(log.tables))}`))
  } catch (error) {
    if (sqlState(error) === POSITIONS_TAKEN) throw positionsTaken(log.tables)
    if (sqlState(error) === INSUFFICIENT_PRIVILEGE) throw clusterChanged(log.tables)
    throw error
  }
}

/**
 * Only says that the checkpoints belong to this cluster: after pg_upgrade, which keeps transaction ids.
 *
 * @throws `ERR_OUTBOX_DATABASE_UNFIT` when it was no such upgrade: ids are in use that this cluster has not yet given out.
 */
export async function adoptUpgrade(log: EventLog): Promise<void> {
  const { events, relays } = log.tables
  await query(
    log,
    sql`
      update ${relays} set cluster = system_identifier::text, epoch = epoch + 1, owner = null, lease_until = null
      from pg_control_system(), pg_snapshot_xmax(pg_current_snapshot()) as end_of_ids
      where cluster <> system_identifier::text
        and not exists (select from ${events} where xid >= end_of_ids)
        and not exists (select from ${relays}
          where greatest(pg_snapshot_xmax(snapshot), pg_snapshot_xmax(next)) > end_of_ids)`,
  )
  if (await wasMoved(log)) throw clusterChanged(log.tables)
}

const INSUFFICIENT_PRIVILEGE = '42501'
/** Of our own. */
const POSITIONS_TAKEN = 'OUTB1'

/** In PL/pgSQL: it takes several statements, and a relay has no transactions, only what its driver does in one. */
function rebaseProgram({ names }: Pick<OutboxTables, 'names'>): string {
  const { events, relays } = names
  // A letter for each relay, by the order of their names: published, in its open window, or not in sight.
  const sight = `(
    select string_agg(
      case
        when position <= max_published and pg_visible_in_snapshot(xid, snapshot) then 'p'
        when pg_visible_in_snapshot(xid, next) then 'w'
        else '-'
      end, '' order by name collate "C")
    from ${relays})`
  // A row was recorded here if it names the transaction that wrote it (xmin), and so do all others which that one wrote:
  // one that restores a dump writes rows that name many.
  const writersHere = `
    select xmin::text from ${events} group by xmin::text
    having bool_and(xid::text::numeric % 4294967296 = xmin::text::numeric)`
  return `
    declare
      this_cluster constant text := (select system_identifier from pg_control_system());
      sequence constant regclass := pg_get_serial_sequence(${quoteLiteral(events)}, 'position');
      -- Positions up to here are those of the other cluster.
      taken bigint;
      sights text[];
    begin
      lock table ${events} in share row exclusive mode;
      lock table ${relays} in share row exclusive mode;
      if not ${isMoved({ names })} then return; end if; -- somebody else has done it

      taken := greatest(
        (select max(position) from ${events} where xmin::text not in (${writersHere})),
        (select max(max_published) from ${relays} where cluster <> this_cluster));
      if exists (select from ${events} where xmin::text in (${writersHere}) and position <= taken)
      then raise exception using errcode = '${POSITIONS_TAKEN}', message = 'positions are taken'; end if;
      if taken > coalesce(pg_sequence_last_value(sequence), 0) then perform setval(sequence, taken); end if;

      sights := array(select distinct ${sight} as sight from ${events} where ${sight} ~ '[pw]' order by sight);
      update ${events} set xid = coalesce(
        (array_position(sights, ${sight}) + 2)::text::xid8, pg_current_xact_id());

      with places as (select name, row_number() over (order by name collate "C")::int as place from ${relays}),
      seen as (
        select name,
          string_agg((number + 2)::text, ',' order by number) filter (where substr(sight, place, 1) <> 'p') as unpublished,
          string_agg((number + 2)::text, ',' order by number) filter (where substr(sight, place, 1) = '-') as out_of_sight
        from places left join unnest(sights) with ordinality as sorted (sight, number) on true
        group by name
      )
      update ${relays} relay set
        snapshot = case when snapshot::text = '${NOTHING_PUBLISHED}' then snapshot
          else concat('3:', cardinality(sights) + 3, ':', unpublished)::pg_snapshot end,
        next = case when next is not null
          then concat('3:', cardinality(sights) + 3, ':', out_of_sight)::pg_snapshot end,
        cluster = this_cluster, epoch = epoch + 1, owner = null, lease_until = null
      from seen where seen.name = relay.name;
    end`
}

function positionsTaken({ names: { events } }: OutboxTables) {
  return new OutboxError(
    'ERR_OUTBOX_DATABASE_UNFIT',
    `events of ${events} that this database cluster has recorded stand at positions that were published in the one named by the checkpoints. If this is that one, after pg_upgrade: rebaseOutbox(db, { upgraded: true }), or \`npx drizzle-outbox rebase --upgraded\`. If the log was moved without its sequence, "Moving the database" in the README says how to give them positions of their own`,
    { reason: 'positions-taken' },
  )
}

/** Any text as SQL, whatever `standard_conforming_strings` says (documentation, section 4.1.2). */
function quoteLiteral(text: string): string {
  return `E'${text.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`
}
