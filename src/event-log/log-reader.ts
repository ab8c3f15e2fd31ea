import { type SQL, sql } from 'drizzle-orm'
import type { RecordedEvent } from '../events/domain-event.js'
import { type EventLog, query, type TextRow } from './database.js'
import { EVENT_COLUMNS, type EventRow, toRecordedEvent } from './event-row.js'
import { isOfThisCluster } from './moved-log.js'
import { type Checkpoint, type Claim, leaseLost, loadCheckpoint, NOTHING_PUBLISHED } from './relay-row.js'
import { insertSetAside, type SetAside } from './set-aside.js'

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
  readonly #log: EventLog
  readonly #claim: Claim
  readonly #source: string
  #checkpoint: Checkpoint

  private constructor(log: EventLog, claim: Claim, source: string, checkpoint: Checkpoint) {
    this.#log = log
    this.#claim = claim
    this.#source = source
    this.#checkpoint = checkpoint
  }

  /** A reader that goes on where the row says. @throws `ERR_OUTBOX_LEASE_LOST` */
  static async load(log: EventLog, claim: Claim, source: string): Promise<LogReader> {
    return new LogReader(log, claim, source, await loadCheckpoint(log, claim))
  }

  /** Opens a window up to now, unless one is open. False: there is nothing new. */
  async openWindow(publisherState?: string): Promise<boolean> {
    if (this.#checkpoint.next !== null) return true
    const { snapshot } = this.#checkpoint
    const { xmax, xip } = parseSnapshot(snapshot)
    const [row] = await query<OpenedRow>(
      this.#log,
      sql`
        with news as materialized (
          -- one "exists" for each arm: an "or" inside would cost the index
          select exists (select from ${this.#tables.events} where xid >= ${xmax}::text::xid8)
            or exists (select from ${this.#tables.events} where xid = any(${xip}::text::xid8[])) as found
        ), opened as (
          update ${this.#tables.relays} set next = pg_current_snapshot(), page = null, ${stateOf(publisherState)}
          from news
          where news.found and ${this.#isOurs()} and next is null and snapshot::text = ${snapshot}::text
          -- Whatever the session's setting: the window, and all commits that it sees, are on disk before it is read.
          returning next, set_config('synchronous_commit', 'on', true)
        )
        select found::text, epoch::text, snapshot::text, next::text as before,
          (select next from opened)::text as opened
        from news, ${this.#tables.relays} where name = ${this.#claim.name}::text`,
    )
    // The row as it was before. It may have changed while the update waited for it, which then matched nothing.
    if (row?.epoch !== this.#claim.epoch || row.snapshot !== snapshot || row.before !== null)
      throw leaseLost(this.#claim.name)
    if (row.found === 'false') return false
    if (row.opened === null) throw leaseLost(this.#claim.name)
    this.#advance({ next: row.opened, page: null, publisherState: publisherState ?? null })
    return true
  }

  /** Whether there are events that may have been handed over since the last checkpoint. */
  get windowIsOpen(): boolean {
    return this.#checkpoint.next !== null
  }

  /** What the publisher said last, as stored. */
  get publisherState(): string | undefined {
    return this.#checkpoint.publisherState ?? undefined
  }

  /** Position after which the open window is still to be published. */
  get page(): number {
    return Number(this.#checkpoint.page ?? 0)
  }

  /**
   * The window's next events after a position.
   *
   * @param maxBytes of data; a page is filled by the event that reaches it.
   */
  async readPage(after: number, limit: number, maxBytes = Number.MAX_SAFE_INTEGER): Promise<Page> {
    const events = this.#eventsAfter(after, limit)
    if (after === 0) return this.#readFilled(events, limit, maxBytes)
    const rows = await query<EventRow>(
      this.#log,
      sql`
        select ${EVENT_COLUMNS} from (${events}) event
        where (select sum(octet_length(data::text)) from (${events}) event) < ${String(maxBytes)}::text::bigint
        order by event.position`,
    )
    // None, or too much: to count the bytes of each page row by row would cost a fifth of the rate.
    if (rows.length === 0) return this.#readFilled(events, limit, maxBytes)
    return pageOf(this.#recorded(rows), limit)
  }

  /** Which of these messages are of the next events after the checkpoint, up to a number of them. */
  async stillToCome(messageIds: ReadonlySet<string>, limit: number): Promise<ReadonlySet<string>> {
    const { page } = this
    const ids = Array.from(messageIds, eventIdOf).filter((id) => id !== undefined)
    if (ids.length === 0) return new Set()
    const rows = await query<IdRow>(
      this.#log,
      sql`
        select event.id::text
        from (${this.#eventsAfter(page, limit)}) event
          join unnest(${`{${ids}}`}::text::uuid[]) as given (id) on given.id = event.id`,
    )
    const toCome = new Set(rows.map(({ id }) => id))
    return new Set(Array.from(messageIds).filter((id) => toCome.has(eventIdOf(id) ?? '')))
  }

  /** Events until there are enough bytes. */
  async #readFilled(events: SQL, limit: number, maxBytes: number): Promise<Page> {
    const rows = await query<PageRow>(
      this.#log,
      sql`
        select ${EVENT_COLUMNS}, case when upto >= ${String(maxBytes)}::text::bigint then 'yes' end as filled
        from (
          select *, sum(bytes) over (order by position rows unbounded preceding) as upto
          from (select *, octet_length(data::text) as bytes from (${events}) event) event
        ) event
        where upto - bytes < ${String(maxBytes)}::text::bigint
        order by event.position`,
    )
    return pageOf(this.#recorded(rows), rows.at(-1)?.filled === 'yes' ? rows.length : limit)
  }

  #recorded(rows: readonly EventRow[]): RecordedEvent[] {
    const { replayFrom, replays } = this.#checkpoint
    const events = rows.map((row) => toRecordedEvent(row, this.#source))
    if (replayFrom === null) return events
    return events.map((event) => (event.position < replayFrom ? event : { ...event, redelivery: replays }))
  }

  #eventsAfter(after: number, limit: number): SQL {
    const { replayFrom, snapshot } = this.#checkpoint
    if (replayFrom !== null) return this.#replayPage(after, limit, replayFrom)
    // Everything is news to a relay that has published nothing: the log is read from its beginning.
    const isFirst = after === 0 && snapshot !== NOTHING_PUBLISHED
    return isFirst ? this.#firstPage(limit) : this.#laterPage(after, limit)
  }

  /** By the index on xid, so that a window of few events costs little however long the log is. */
  #firstPage(limit: number) {
    const { snapshot, next } = this.#window()
    const { xmax, xip } = parseSnapshot(snapshot)
    return sql`
      select * from ${this.#tables.events} event
      where event.position = any(array( -- positions first: a long window is sorted without its data
        select news.position
        from (
          select position, xid from ${this.#tables.events} where xid >= ${xmax}::text::xid8
          union all
          select position, xid from ${this.#tables.events} where xid = any(${xip}::text::xid8[])
        ) news
        where pg_visible_in_snapshot(news.xid, ${next}::text::pg_snapshot)
        order by news.position + 0 -- the "+ 0" keeps the planner off the primary key
        limit ${String(limit)}::text::int
      ))`
  }

  /** By primary key. The snapshots are compared by function: as ranges of xid the planner would take that index again. */
  #laterPage(after: number, limit: number) {
    const { snapshot, next } = this.#window()
    return sql`
      select * from ${this.#tables.events} event
      where event.position > ${String(after)}::text::bigint
        and not pg_visible_in_snapshot(xid, ${snapshot}::text::pg_snapshot)
        and pg_visible_in_snapshot(xid, ${next}::text::pg_snapshot)
      order by event.position
      limit ${String(limit)}::text::int`
  }

  /** Also what is published, from a position on, but nothing that an operator has discarded. */
  #replayPage(after: number, limit: number, replayFrom: number) {
    const { snapshot, next } = this.#window()
    return sql`
      select * from ${this.#tables.events} event
      where event.position > ${String(after)}::text::bigint
        and (event.position >= ${String(replayFrom)}::text::bigint
          or not pg_visible_in_snapshot(xid, ${snapshot}::text::pg_snapshot))
        and pg_visible_in_snapshot(xid, ${next}::text::pg_snapshot)
        and not exists (
          select from ${this.#tables.deadLetters} letter
          where relay = ${this.#claim.name}::text and letter.position = event.position and state = 'discarded')
      order by event.position
      limit ${String(limit)}::text::int`
  }

  /** Whether an operator has asked for events to be published again. */
  get replay(): 'asked' | 'begun' | undefined {
    if (this.#checkpoint.replayFrom === null) return undefined
    return this.#checkpoint.replayBegun ? 'begun' : 'asked'
  }

  /** Where the replay begins. */
  get replayFrom(): number | undefined {
    return this.#checkpoint.replayFrom ?? undefined
  }

  /** From now on, some of what is published again may be in the destination. */
  async beginReplay(): Promise<void> {
    const rows = await query(
      this.#log,
      sql`update ${this.#tables.relays} set replay_begun = true where ${this.#isOurs()} returning name`,
    )
    if (rows.length === 0) throw leaseLost(this.#claim.name)
    this.#advance({ replayBegun: true })
  }

  /** All events of the window up to this position are acknowledged, or set aside. */
  async checkpoint(progress: Progress): Promise<void> {
    const page = String(progress.position)
    await this.#pass(sql`page = greatest(page, ${page}::text::bigint)`, progress)
    this.#advance({ page })
  }

  /** So are all events of the window, the last of which has this position. */
  async closeWindow(progress: Progress): Promise<void> {
    const { next } = this.#window()
    await this.#pass(sql`snapshot = next, next = null, page = null, replay_from = null`, progress)
    this.#advance({ snapshot: next, next: null, page: null, replayFrom: null })
  }

  async #pass(change: SQL, { position, publisherState, setAside = [] }: Progress): Promise<void> {
    const { next } = this.#window()
    const passed = sql`
      update ${this.#tables.relays} set ${change}, ${stateOf(publisherState)}, crashes = 0, suspect = null,
        max_published = greatest(max_published, ${String(position)}::text::bigint)
      where ${this.#isOurs()} and next::text = ${next}::text
      returning name`
    const { name } = this.#claim
    const rows = await query(
      this.#log,
      setAside.length === 0
        ? passed
        : sql`
            with passed as (${passed}),
              set_aside as (${insertSetAside(this.#tables, name, setAside, sql`passed`)})
            select name from passed`,
    )
    if (rows.length === 0) throw leaseLost(name)
    this.#advance({ publisherState: publisherState ?? null, crashes: 0, suspect: null })
  }

  /** How often in a row relays have vanished without publishing anything; with a suspect, how often it was published alone. */
  get crashes(): Pick<Checkpoint, 'crashes' | 'suspect'> {
    return this.#checkpoint
  }

  /** This event is published alone now, for the so-manieth time: who vanishes from now on may have ended by it. */
  async suspect(position: number, attempts: number): Promise<void> {
    const rows = await query(
      this.#log,
      sql`
        update ${this.#tables.relays} set suspect = ${String(position)}::text::bigint,
          crashes = ${String(attempts)}::text::smallint
        where ${this.#isOurs()} returning name`,
    )
    if (rows.length === 0) throw leaseLost(this.#claim.name)
    this.#advance({ suspect: position, crashes: attempts })
  }

  #advance({ publisherState, ...to }: Partial<Checkpoint>): void {
    const stored = this.#checkpoint.publisherState
    this.#checkpoint = { ...this.#checkpoint, ...to, publisherState: publisherState ?? stored }
  }

  get #tables() {
    return this.#log.tables
  }

  #isOurs() {
    return sql`name = ${this.#claim.name}::text and epoch = ${this.#claim.epoch}::text::bigint and ${isOfThisCluster}`
  }

  #window(): { snapshot: string; next: string } {
    const { snapshot, next } = this.#checkpoint
    if (next === null) throw new Error('no window is open')
    return { snapshot, next }
  }
}

/** How far a window is published. */
export interface Progress {
  /** Of the last event that is acknowledged, or set aside. */
  readonly position: number
  /** Where the publisher then was. Undefined: as it was stored before. */
  readonly publisherState?: string | undefined
  /** What is passed by without being published. */
  readonly setAside?: readonly SetAside[]
}

/** A part of a window. */
export interface Page {
  readonly events: readonly RecordedEvent[]
  /** The position after which the next page begins. Undefined: the window ends here. */
  readonly end: number | undefined
}

/** Events that were read with a limit: fewer are the window's last. */
export function pageOf(events: readonly RecordedEvent[], limit: number): Page {
  return { events, end: events.length < limit ? undefined : events.at(-1)?.position }
}

/** Undefined: a message of somebody else's. */
function eventIdOf(messageId: string): string | undefined {
  return /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?=$|\.r\d+$)/.exec(messageId)?.[0]
}

/** Without a new one the stored one remains. */
function stateOf(publisherState: string | undefined) {
  return sql`publisher_state = coalesce(${publisherState ?? null}::text::json, publisher_state)`
}

interface PageRow extends EventRow {
  readonly filled: string | null
}

interface IdRow extends TextRow {
  readonly id: string
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
