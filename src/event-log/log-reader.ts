import { sql } from 'drizzle-orm'
import type { RecordedEvent } from '../events/domain-event.js'
import { type Database, query, type TextRow } from './database.js'
import { EVENT_COLUMNS, type EventRow, toRecordedEvent } from './event-row.js'
import { type Checkpoint, type Claim, leaseLost, loadCheckpoint } from './relay-row.js'

/**
 * Reads the log in windows. A window holds the events of all transactions that one snapshot sees and an earlier one
 * does not; within it, pages go by position. A long transaction delays only its own events, and none is passed over.
 *
 * **A window is stored before it is read.** When a database crashes, it hands out again the ids of transactions that
 * were rolled back. A snapshot that was only in memory may lie ahead of those ids, and the events under them would be
 * skipped; a stored one cannot, because the ids below it are in the write-ahead log (test/faults/reader-mutants.test.ts).
 *
 * Every statement compares what the reader believes with the row. A mismatch is `ERR_OUTBOX_LEASE_LOST`.
 */
export class LogReader {
  readonly #db: Database
  readonly #claim: Claim
  readonly #source: string
  #checkpoint: Checkpoint

  private constructor(db: Database, claim: Claim, source: string, checkpoint: Checkpoint) {
    this.#db = db
    this.#claim = claim
    this.#source = source
    this.#checkpoint = checkpoint
  }

  /** A reader that goes on where the row says. @throws `ERR_OUTBOX_LEASE_LOST` */
  static async load(db: Database, claim: Claim, source: string): Promise<LogReader> {
    return new LogReader(db, claim, source, await loadCheckpoint(db, claim))
  }

  /** Opens a window up to now, unless one is open. False: there is nothing new. */
  async openWindow(): Promise<boolean> {
    if (this.#checkpoint.next !== null) return true
    const { snapshot } = this.#checkpoint
    const { xmax, xip } = parseSnapshot(snapshot)
    const [row] = await query<OpenedRow>(
      this.#db,
      sql`
        with news as materialized (
          -- one "exists" for each arm: an "or" inside would cost the index
          select exists (select from outbox_events where xid >= ${xmax}::text::xid8)
            or exists (select from outbox_events where xid = any(${xip}::text::xid8[])) as found
        ), opened as (
          update outbox_relays set next = pg_current_snapshot(), page = null
          from news
          where news.found and ${this.#isOurs()} and next is null and snapshot::text = ${snapshot}::text
          -- Whatever the session's setting: the window, and all commits that it sees, are on disk before it is read.
          returning next, set_config('synchronous_commit', 'on', true)
        )
        select found::text, epoch::text, snapshot::text, next::text as before,
          (select next from opened)::text as opened
        from news, outbox_relays where name = ${this.#claim.name}::text`,
    )
    // The row as it was before. It may have changed while the update waited for it, which then matched nothing.
    if (row?.epoch !== this.#claim.epoch || row.snapshot !== snapshot || row.before !== null)
      throw leaseLost(this.#claim.name)
    if (row.found === 'false') return false
    if (row.opened === null) throw leaseLost(this.#claim.name)
    this.#checkpoint = { snapshot, next: row.opened, page: null }
    return true
  }

  /** Position after which the open window is still to be published. */
  get page(): number {
    return Number(this.#checkpoint.page ?? 0)
  }

  /** The window's next events after a position. Fewer than `limit`: the window ends here. */
  async readPage(after: number, limit: number): Promise<RecordedEvent[]> {
    const rows = await query<EventRow>(
      this.#db,
      after === 0 ? this.#firstPage(limit) : this.#laterPage(after, limit),
    )
    return rows.map((row) => toRecordedEvent(row, this.#source))
  }

  /** By the index on xid, so that a window of few events costs little however long the log is. */
  #firstPage(limit: number) {
    const { snapshot, next } = this.#window()
    const { xmax, xip } = parseSnapshot(snapshot)
    return sql`
      select ${EVENT_COLUMNS}
      from (
        select * from outbox_events where xid >= ${xmax}::text::xid8
        union all
        select * from outbox_events where xid = any(${xip}::text::xid8[])
      ) event
      where pg_visible_in_snapshot(xid, ${next}::text::pg_snapshot)
      order by event.position + 0 -- the "+ 0" keeps the planner off the primary key
      limit ${String(limit)}::text::int`
  }

  /** By primary key. The snapshots are compared by function: as ranges of xid the planner would take that index again. */
  #laterPage(after: number, limit: number) {
    const { snapshot, next } = this.#window()
    return sql`
      select ${EVENT_COLUMNS}
      from outbox_events event
      where event.position > ${String(after)}::text::bigint
        and not pg_visible_in_snapshot(xid, ${snapshot}::text::pg_snapshot)
        and pg_visible_in_snapshot(xid, ${next}::text::pg_snapshot)
      order by event.position
      limit ${String(limit)}::text::int`
  }

  /** All events of the window up to this position are acknowledged. */
  async checkpoint(position: number): Promise<void> {
    const rows = await query(
      this.#db,
      sql`
        update outbox_relays set page = greatest(page, ${String(position)}::text::bigint)
        where ${this.#isOurs()} and next::text = ${this.#window().next}::text
        returning name`,
    )
    if (rows.length === 0) throw leaseLost(this.#claim.name)
  }

  /** All events of the window are acknowledged. */
  async closeWindow(): Promise<void> {
    const { next } = this.#window()
    const rows = await query(
      this.#db,
      sql`
        update outbox_relays set snapshot = next, next = null, page = null
        where ${this.#isOurs()} and next::text = ${next}::text
        returning name`,
    )
    if (rows.length === 0) throw leaseLost(this.#claim.name)
    this.#checkpoint = { snapshot: next, next: null, page: null }
  }

  #isOurs() {
    return sql`name = ${this.#claim.name}::text and epoch = ${this.#claim.epoch}::text::bigint`
  }

  #window(): { snapshot: string; next: string } {
    const { snapshot, next } = this.#checkpoint
    if (next === null) throw new Error('no window is open')
    return { snapshot, next }
  }
}

interface OpenedRow extends TextRow {
  readonly found: string | null
  readonly epoch: string
  readonly snapshot: string
  readonly before: string | null
  readonly opened: string | null
}

/** `xmin:xmax:xip,xip,…` (PostgreSQL documentation, section 9.27.1). What it does not see is `xip`, or from `xmax` on. */
function parseSnapshot(snapshot: string): { xmax: string; xip: string } {
  const [, xmax = '', xip = ''] = snapshot.split(':')
  return { xmax, xip: `{${xip}}` }
}
