import { sql } from 'drizzle-orm'
import { OutboxError } from '../errors.js'
import { type EventLog, query, type TextRow } from './database.js'
import { clusterChanged, isOfThisCluster } from './moved-log.js'

/** A relay's place in the log, as its row holds it. */
export interface Checkpoint {
  /** Everything this snapshot sees is published. */
  readonly snapshot: string
  /** The open window reaches from `snapshot` to here. */
  readonly next: string | null
  /** Position up to which the open window is published. */
  readonly page: string | null
  /** Where the publisher was in its destination; what it says is the publisher's business. */
  readonly publisherState: string | null
  /** During a replay: published events come too, from this position on. */
  readonly replayFrom: number | null
  readonly replayBegun: boolean
  readonly replays: number
  /** How often an owner vanished since something was published last. */
  readonly crashes: number
  /** Position of the event that was published alone when that happened. */
  readonly suspect: number | null
}

/** The right to publish under a relay's name, until somebody raises the epoch. */
export interface Claim {
  readonly name: string
  readonly epoch: string
}

interface RelayRow extends TextRow {
  readonly epoch: string
  readonly snapshot: string
  readonly next: string | null
  readonly page: string | null
  readonly publisher_state: string | null
  readonly replay_from: string | null
  readonly replay_begun: string
  readonly replays: string
  readonly crashes: string
  readonly suspect: string | null
}

/** The snapshot that sees no transaction: a new relay publishes the log from its beginning. */
export const NOTHING_PUBLISHED = '1:1:'

/**
 * Takes the lease when nobody else holds it, by the database's clock, and raises its epoch: whoever had it before is
 * fenced. The owner itself need not wait, when it could not release it.
 *
 * @throws `ERR_OUTBOX_DATABASE_UNFIT` when the row was written in another database cluster.
 */
export async function claimRelay(
  log: EventLog,
  name: string,
  owner: string,
  leaseMs: number,
): Promise<Claim | undefined> {
  const [row] = await query<{ epoch: string; same_cluster: string }>(
    log,
    sql`
      insert into ${log.tables.relays} as relay (name, snapshot, cluster, owner, epoch, lease_until)
      select ${name}::text, ${NOTHING_PUBLISHED}::text::pg_snapshot, system_identifier::text, ${owner}::text, 1,
        clock_timestamp() + ${String(leaseMs)}::text::int * interval '1 millisecond'
      from pg_control_system()
      where not exists ( -- a standby looks often, and must not lock the leader's row
        select from ${log.tables.relays} held
        where held.name = ${name}::text and held.owner <> ${owner}::text and held.lease_until >= clock_timestamp())
      on conflict (name) do update
        set owner = excluded.owner, epoch = relay.epoch + 1, lease_until = excluded.lease_until,
          active_at = clock_timestamp(),
          -- A suspect is counted by who publishes it: many a relay vanishes that did not get so far.
          crashes = case
            when relay.owner <> excluded.owner and relay.suspect is null then least(relay.crashes + 1, 32767)
            else relay.crashes
          end
        where relay.lease_until is null or relay.lease_until < clock_timestamp() or relay.owner = excluded.owner
      returning epoch::text,
        (cluster = (select system_identifier::text from pg_control_system()))::text as same_cluster`,
  )
  if (!row) return undefined
  const claim = { name, epoch: row.epoch }
  if (row.same_cluster === 'true') return claim
  await releaseRelay(log, claim)
  throw clusterChanged(log.tables)
}

/** Keeps the lease. @throws `ERR_OUTBOX_LEASE_LOST` */
export async function renewRelay(log: EventLog, { name, epoch }: Claim, leaseMs: number): Promise<void> {
  const rows = await query(
    log,
    sql`
      update ${log.tables.relays}
      set lease_until = clock_timestamp() + ${String(leaseMs)}::text::int * interval '1 millisecond',
        active_at = clock_timestamp()
      where name = ${name}::text and epoch = ${epoch}::text::bigint and ${isOfThisCluster}
        and owner is not null -- a renewal that arrives late must not take back what was released
      returning name`,
  )
  if (rows.length === 0) throw leaseLost(name)
}

/** Lets the next one in at once. Nothing happens when the lease is already another's. */
export async function releaseRelay(log: EventLog, { name, epoch }: Claim): Promise<void> {
  await query(
    log,
    sql`
      update ${log.tables.relays} set owner = null, lease_until = null, active_at = clock_timestamp()
      where name = ${name}::text and epoch = ${epoch}::text::bigint`,
  )
}

/** Whether an operator has taken the lease of this epoch away, and given it to nobody. */
export async function wasWithdrawn(log: EventLog, { name, epoch }: Claim): Promise<boolean> {
  const rows = await query(
    log,
    sql`
      select name from ${log.tables.relays}
      where name = ${name}::text and epoch > ${epoch}::text::bigint and owner is null`,
  )
  return rows.length > 0
}

/** What a relay's publisher has stored last. Undefined: nothing, or nothing that matters, because it publishes again. */
export async function readPublisherState(log: EventLog, name: string): Promise<string | undefined> {
  const [row] = await query<{ publisher_state: string | null }>(
    log,
    sql`
      select publisher_state::text from ${log.tables.relays}
      where name = ${name}::text and replay_from is null`,
  )
  return row?.publisher_state ?? undefined
}

/** @throws `ERR_OUTBOX_LEASE_LOST` */
export async function loadCheckpoint(log: EventLog, { name, epoch }: Claim): Promise<Checkpoint> {
  const [row] = await query<RelayRow>(
    log,
    sql`
      select epoch::text, snapshot::text, next::text, page::text, publisher_state::text,
        replay_from::text, replay_begun::text, replays::text, crashes::text, suspect::text
      from ${log.tables.relays} where name = ${name}::text`,
  )
  if (row?.epoch !== epoch) throw leaseLost(name)
  const numberOf = (text: string | null) => (text === null ? null : Number(text))
  return {
    snapshot: row.snapshot,
    next: row.next,
    page: row.page,
    publisherState: row.publisher_state,
    replayFrom: numberOf(row.replay_from),
    replayBegun: row.replay_begun === 'true',
    replays: Number(row.replays),
    crashes: Number(row.crashes),
    suspect: numberOf(row.suspect),
  }
}

export function leaseLost(
  relay: string,
  reason = 'another relay has taken over',
): OutboxError<'ERR_OUTBOX_LEASE_LOST'> {
  return new OutboxError('ERR_OUTBOX_LEASE_LOST', `relay ${relay}: ${reason}`, { relay })
}
