import { sql } from 'drizzle-orm'
import type { RecordedEvent } from '../events/domain-event.js'
import { type EventLog, query, type TextRow } from './database.js'
import { EVENT_COLUMNS, type EventRow, toRecordedEvent } from './event-row.js'
import { type Claim, leaseLost } from './relay-row.js'
import type { Failure } from './set-aside.js'

export interface AggregateKey {
  readonly aggregateType: string
  readonly aggregateId: string
}

/** An aggregate whose events have to wait, from a position on. */
export interface HeldAggregate extends AggregateKey {
  readonly position: number
}

/** An event that is to be published once more. */
export interface DueEvent extends AggregateKey {
  readonly position: number
  /** This attempt included. */
  readonly attempts: number
  readonly holds: boolean
  /** A relay ended in the middle of the attempt before. */
  readonly interrupted: boolean
}

/** What became of events that were due. */
export interface Attempted {
  /** Positions of what is in the stream now. */
  readonly published: readonly number[]
  readonly failed: readonly FailedAgain[]
  /** Positions of those that the broker could not be asked about; the attempt does not count. */
  readonly untried: readonly number[]
}

export interface FailedAgain extends Failure {
  readonly position: number
  readonly state: 'retrying' | 'parked'
  readonly holds: boolean
}

/**
 * The events of one relay that were set aside. Of each aggregate that is held, the first is `retrying`, `sending` or
 * `parked`, and all later ones are `waiting`: only the relay publishes them, and only in that order.
 *
 * Every change compares the relay's epoch. A mismatch is `ERR_OUTBOX_LEASE_LOST`.
 */
export class DeadLetters {
  readonly #log: EventLog
  readonly #claim: Claim
  readonly #source: string

  constructor(log: EventLog, claim: Claim, source: string) {
    this.#log = log
    this.#claim = claim
    this.#source = source
  }

  /** Aggregates whose events have to wait. */
  async heldAggregates(): Promise<HeldAggregate[]> {
    const rows = await query<AggregateRow & { readonly position: string }>(
      this.#log,
      sql`
        select aggregate_type, aggregate_id, min(position)::text as position from ${this.#table}
        where relay = ${this.#claim.name}::text and holds and state <> 'discarded'
        group by aggregate_type, aggregate_id`,
    )
    return rows.map((row) => ({ ...toKey(row), position: Number(row.position) }))
  }

  /** How long until the next one is due, in milliseconds. Undefined: none is to be tried again. */
  async nextDue(): Promise<number | undefined> {
    const [row] = await query<{ in_ms: string | null }>(
      this.#log,
      sql`
        select (extract(epoch from min(next_attempt_at) - clock_timestamp()) * 1000)::text as in_ms
        from ${this.#table}
        where relay = ${this.#claim.name}::text and state in ('retrying', 'sending')`,
    )
    return row?.in_ms == null ? undefined : Math.max(0, Number(row.in_ms))
  }

  /** Whether a relay ended while it published any of them. */
  async wasInterrupted(): Promise<boolean> {
    const rows = await query(
      this.#log,
      sql`
        select relay from ${this.#table}
        where relay = ${this.#claim.name}::text and state in ('retrying', 'sending') and state = 'sending' limit 1`,
    )
    return rows.length > 0
  }

  /** Takes those that are due. From now on each counts as tried: a process that dies of one has tried it. */
  async takeDue(limit: number): Promise<DueEvent[]> {
    const rows = await query<DueRow>(
      this.#log,
      sql`
        with due as (
          select position, state from ${this.#table}
          where relay = ${this.#claim.name}::text and state in ('retrying', 'sending')
            and next_attempt_at <= clock_timestamp()
          order by next_attempt_at limit ${String(limit)}::text::int
        )
        update ${this.#table} letter set state = 'sending', attempts = least(attempts + 1, 32767)
        from due
        where letter.relay = ${this.#claim.name}::text and letter.position = due.position and ${this.#isOurs()}
          and letter.state in ('retrying', 'sending') -- an operator may have discarded it meanwhile
        returning letter.position::text, aggregate_type, aggregate_id, attempts::text, holds::text,
          (due.state = 'sending')::text as interrupted`,
    )
    return rows.map((row) => ({
      ...toKey(row),
      position: Number(row.position),
      attempts: Number(row.attempts),
      holds: row.holds === 'true',
      interrupted: row.interrupted === 'true',
    }))
  }

  /** Events that are due, and after each that holds its aggregate some of those which wait for it, by position. */
  async readRuns(due: readonly DueEvent[], followersEach: number): Promise<RecordedEvent[]> {
    const heads = due.map(({ position, holds }) => ({ position, holds }))
    const rows = await query<EventRow>(
      this.#log,
      sql`
        with head as (
          select letter.position, aggregate_type, aggregate_id, due.holds
          from json_to_recordset(${JSON.stringify(heads)}::text::json) as due (position bigint, holds boolean)
            join ${this.#table} letter on relay = ${this.#claim.name}::text and letter.position = due.position
        ), run as (
          select position from head
          union all
          select follower.position from head cross join lateral (
            select position from ${this.#table} letter
            where relay = ${this.#claim.name}::text and letter.holds and state <> 'discarded' and state = 'waiting'
              and letter.aggregate_type = head.aggregate_type and letter.aggregate_id = head.aggregate_id
              and letter.position > head.position
            order by letter.position limit ${String(followersEach)}::text::int
          ) follower
          where head.holds
        )
        select ${EVENT_COLUMNS} from (
          select * from ${this.#log.tables.events} where position = any(array(select position from run))
        ) event
        order by event.position`,
    )
    return rows.map((row) => toRecordedEvent(row, this.#source))
  }

  /** Stores what became of them. */
  async settle({ published, failed, untried }: Attempted): Promise<void> {
    const failures = failed.map(({ retryInMs, ...failure }) => ({ ...failure, retry_in_ms: retryInMs }))
    const [row] = await query<{ epoch: string | null }>(
      this.#log,
      sql`
        with ours as (
          select epoch from ${this.#log.tables.relays} where ${this.#claimed()} for update
        ), published as (
          delete from ${this.#table} using ours
          where relay = ${this.#claim.name}::text and position = any(${arrayOf(published)}::text::bigint[])
        ), failed as (
          update ${this.#table} letter set state = failure.state, holds = failure.holds,
            error_code = failure.code, error = failure.message, last_failed_at = clock_timestamp(),
            next_attempt_at =
              case failure.state when 'retrying' then clock_timestamp() + retry_in_ms * interval '1 millisecond' end
          from ours, json_to_recordset(${JSON.stringify(failures)}::text::json) as failure (
            position bigint, state text, holds boolean, code text, message text, retry_in_ms float)
          where letter.relay = ${this.#claim.name}::text and letter.position = failure.position
            and letter.state = 'sending'
        ), untried as (
          update ${this.#table} set state = 'retrying', attempts = greatest(attempts - 1, 0)
          from ours
          where relay = ${this.#claim.name}::text and position = any(${arrayOf(untried)}::text::bigint[])
            and state = 'sending'
        )
        select (select epoch from ours)::text as epoch`,
    )
    if (row?.epoch == null) throw leaseLost(this.#claim.name)
  }

  /**
   * Looks whether aggregates still have to wait. Where the event that held one was published or discarded, the next is due.
   *
   * @returns those that need not wait any more.
   */
  async released(aggregates: readonly AggregateKey[]): Promise<AggregateKey[]> {
    if (aggregates.length === 0) return []
    const rows = await query<AggregateRow>(
      this.#log,
      sql`
        with head as materialized (
          select key.aggregate_type, key.aggregate_id, first.position, first.state
          from json_to_recordset(${JSON.stringify(aggregates.map(toRow))}::text::json)
              as key (aggregate_type text, aggregate_id text)
            left join lateral (
              select position, state from ${this.#table} letter
              where relay = ${this.#claim.name}::text and holds and state <> 'discarded'
                and letter.aggregate_type = key.aggregate_type and letter.aggregate_id = key.aggregate_id
              order by position limit 1
            ) first on true
        ), next as (
          update ${this.#table} letter set state = 'retrying', next_attempt_at = clock_timestamp()
          from head
          where letter.relay = ${this.#claim.name}::text and letter.position = head.position
            and letter.state = 'waiting' and head.state = 'waiting' and ${this.#isOurs()}
        )
        select aggregate_type, aggregate_id from head where position is null`,
    )
    return rows.map(toKey)
  }

  get #table() {
    return this.#log.tables.deadLetters
  }

  #claimed() {
    return sql`name = ${this.#claim.name}::text and epoch = ${this.#claim.epoch}::text::bigint`
  }

  #isOurs() {
    return sql`exists (select from ${this.#log.tables.relays} where ${this.#claimed()})`
  }
}

interface AggregateRow extends TextRow {
  readonly aggregate_type: string
  readonly aggregate_id: string
}

interface DueRow extends AggregateRow {
  readonly position: string
  readonly attempts: string
  readonly holds: string
  readonly interrupted: string
}

function toKey({ aggregate_type, aggregate_id }: AggregateRow): AggregateKey {
  return { aggregateType: aggregate_type, aggregateId: aggregate_id }
}

function toRow({ aggregateType, aggregateId }: AggregateKey) {
  return { aggregate_type: aggregateType, aggregate_id: aggregateId }
}

/** Numbers as an array of PostgreSQL. */
function arrayOf(numbers: readonly number[]): string {
  return `{${numbers.join()}}`
}
