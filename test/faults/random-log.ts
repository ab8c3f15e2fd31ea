/** A log in any state that relays can leave it in, and what may be deleted of it, by a model that knows no SQL. */
import { sql } from 'drizzle-orm'
import type { Db } from '../support/outbox-databases.js'
import type { Random } from '../support/random.js'
import { accountEvents } from './accounts.js'

const STATES = ['retrying', 'sending', 'parked', 'waiting', 'discarded'] as const

export const RETENTION_MS = 3_600_000

export interface LogState {
  /** Positions of all events, and of those that retention may delete. */
  readonly positions: readonly number[]
  readonly served: readonly number[]
  /** `relay:position` of the dead letters that stay behind. */
  readonly letters: readonly string[]
}

interface Row {
  readonly position: number
  readonly xid: string
  readonly old: boolean
}

/** Leaves nothing of what was there before. */
export async function makeRandomLog(db: Db, random: Random): Promise<LogState> {
  await db.execute(
    sql`truncate outbox_events, outbox_aggregates, outbox_relays, outbox_dead_letters restart identity`,
  )
  const snapshots = await recordEvents(db, random)
  const rows: Row[] = []
  for (const { position, xid } of await read<{ position: string; xid: string }>(
    db,
    sql`select position::text, xid::text from outbox_events order by position`,
  )) {
    const ageMs = random.pick([2 * RETENTION_MS, 2 * RETENTION_MS, RETENTION_MS / 2, -7 * 24 * RETENTION_MS])
    await db.execute(sql`
      update outbox_events set occurred_at = clock_timestamp() - ${ageMs / 1000} * interval '1 second'
      where position = ${position}`)
    rows.push({ position: Number(position), xid, old: ageMs > RETENTION_MS })
  }

  const stays = new Set<number>()
  const stay = (which: (row: Row) => boolean) => {
    for (const row of rows.filter(which)) stays.add(row.position)
  }
  stay(({ old }) => !old)
  const relays = random.chance(0.1) ? 0 : 1 + random.below(3)
  if (relays === 0) stay(() => true)
  for (let n = 0; n < relays; n++) {
    const from = Math.max(random.below(snapshots.length), random.below(snapshots.length))
    const next = random.chance(0.4) ? (snapshots[from + random.below(snapshots.length - from)] ?? null) : null
    const replayFrom = random.chance(0.3) ? 1 + random.below(rows.length) : null
    const [foreign, otherKind] = [random.chance(0.12), random.chance(0.12)]
    await db.execute(sql`
      insert into outbox_relays (name, kind, snapshot, next, page, replay_from, cluster, epoch)
      select ${`relay-${n}`}, ${otherKind ? 'wal' : 'snapshot'}, ${snapshots[from]}, ${next},
        ${next === null ? null : random.below(rows.length)}::bigint, ${replayFrom}::bigint,
        case when ${foreign} then 'another' else system_identifier::text end, 1
      from pg_control_system()`)
    if (foreign || otherKind) stay(() => true)
    stay(({ position, xid }) => !sees(snapshots[from]!, xid) || position >= (replayFrom ?? Infinity))
  }

  const letters: { relay: string; position: number; state: string }[] = []
  for (let n = random.below(8); n > 0; n--) {
    const letter = {
      relay: `relay-${random.below(3)}`,
      position: random.pick(rows).position,
      state: random.chance(0.5) ? 'discarded' : random.pick(STATES),
    }
    if (letters.some(({ relay, position }) => relay === letter.relay && position === letter.position))
      continue
    letters.push(letter)
    await db.execute(sql`
      insert into outbox_dead_letters (relay, position, event_id, aggregate_type, aggregate_id, type, state)
      values (${letter.relay}, ${letter.position}, gen_random_uuid(), 'account', 'a', 'account.noted', ${letter.state})`)
    if (letter.state !== 'discarded') stay(({ position }) => position === letter.position)
  }
  return {
    positions: rows.map(({ position }) => position),
    served: rows.map(({ position }) => position).filter((position) => !stays.has(position)),
    letters: letters
      .filter(({ position }) => stays.has(position))
      .map(({ relay, position }) => `${relay}:${position}`)
      .sort(),
  }
}

/** What is in the log now. */
export async function readState(db: Pick<Db, 'execute'>): Promise<Omit<LogState, 'served'>> {
  const positions = await read<{ position: string }>(
    db,
    sql`select position::text from outbox_events order by position`,
  )
  const letters = await read<{ letter: string }>(
    db,
    sql`select relay || ':' || position as letter from outbox_dead_letters`,
  )
  return {
    positions: positions.map(({ position }) => Number(position)),
    letters: letters.map(({ letter }) => letter).sort(),
  }
}

/** Transactions of up to three events, one of which has the lowest positions and commits in between. @returns snapshots. */
async function recordEvents(db: Db, random: Random): Promise<string[]> {
  const snapshots: string[] = []
  const snapshot = async () => {
    const [row] = await read<{ now: string }>(db, sql`select pg_current_snapshot()::text as now`)
    snapshots.push(row!.now)
  }
  const record = async () =>
    db.transaction(async (tx) => {
      for (let n = random.below(3); n >= 0; n--)
        tx.outbox.add(accountEvents.noted(String(random.below(4)), { text: 'x' }))
    })
  await db.transaction(async (late) => {
    await late.execute(sql`
      insert into outbox_events (id, aggregate_type, aggregate_id, aggregate_version, type, data)
      values (gen_random_uuid(), 'account', 'late', 1, 'account.noted', '{}')`)
    for (let n = 0; n < 4; n++) {
      await snapshot()
      await record()
    }
  })
  for (let n = 0; n < 4; n++) {
    await snapshot()
    await record()
  }
  return snapshots
}

/** PostgreSQL documentation, section 9.27.1. */
function sees(snapshot: string, xid: string): boolean {
  const [, xmax = '', xip = ''] = snapshot.split(':')
  return BigInt(xid) < BigInt(xmax) && !xip.split(',').includes(xid)
}

async function read<R>(db: Pick<Db, 'execute'>, statement: ReturnType<typeof sql>): Promise<R[]> {
  return ((await db.execute(statement)) as { rows: R[] }).rows
}
