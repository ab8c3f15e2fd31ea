import { type SQL, sql } from 'drizzle-orm'
import { type EventLog, query, type TextRow } from './database.js'

/** `retrying`: tried again by itself. `parked`: an operator decides. `waiting`: behind one of those. */
export type DeadLetterState = 'retrying' | 'parked' | 'waiting' | 'discarded'

/** Which dead letters: those that all of it holds for. */
export interface DeadLetterFilter {
  /** Of the event. */
  readonly id?: string | undefined
  readonly aggregate?: { readonly type: string; readonly id?: string | undefined } | undefined
  /** The event's type, such as `order.placed`. */
  readonly type?: string | undefined
  /** When it failed last: from then on. */
  readonly since?: Date | undefined
  /** Before then. */
  readonly until?: Date | undefined
  readonly state?: DeadLetterState | readonly DeadLetterState[] | undefined
}

/** An event that a relay has not published, because the broker refused it or one before it. */
export interface DeadLetter {
  readonly relay: string
  readonly position: number
  readonly eventId: string
  readonly type: string
  readonly aggregateType: string
  readonly aggregateId: string
  readonly state: DeadLetterState
  /** Whether its aggregate's later events wait for it. */
  readonly holds: boolean
  /** Events that wait behind it. */
  readonly waiting: number
  readonly attempts: number
  /** Why it was refused last. Carries nothing of the event. */
  readonly error?: { readonly code: string; readonly message: string }
  readonly firstFailedAt?: Date
  readonly lastFailedAt?: Date
  readonly nextAttemptAt?: Date
  readonly resolvedAt?: Date
}

/** Those after a position, in the order of the log. */
export async function findDeadLetters(
  log: EventLog,
  relay: string,
  filter: DeadLetterFilter,
  { after, limit }: { readonly after: number; readonly limit: number },
): Promise<DeadLetter[]> {
  const { deadLetters } = log.tables
  const rows = await query<DeadLetterRow>(
    log,
    sql`
      select relay, position::text, event_id::text, type, aggregate_type, aggregate_id,
        replace(state, 'sending', 'retrying') as state, holds::text, attempts::text, error_code, error,
        ${millisOf('first_failed_at')}, ${millisOf('last_failed_at')}, ${millisOf('next_attempt_at')},
        ${millisOf('resolved_at')},
        (select count(*) from ${deadLetters} behind
          where letter.holds and letter.state in ('retrying', 'sending', 'parked')
            and behind.relay = letter.relay and behind.holds and behind.state <> 'discarded'
            and behind.aggregate_type = letter.aggregate_type and behind.aggregate_id = letter.aggregate_id
            and behind.position > letter.position)::text as waiting
      from ${deadLetters} letter
      where ${matches(relay, filter)} and position > ${String(after)}::text::bigint
      order by letter.position limit ${String(limit)}::text::int`,
  )
  return rows.map(toDeadLetter)
}

/** How many there are. */
export async function countDeadLetters(
  log: EventLog,
  relay: string,
  filter: DeadLetterFilter,
): Promise<number> {
  const [row] = await query<{ count: string }>(
    log,
    sql`select count(*)::text as count from ${log.tables.deadLetters} where ${matches(relay, filter)}`,
  )
  return Number(row?.count)
}

/** Has parked ones tried again at once, with all their attempts before them. @returns how many. */
export async function retryDeadLetters(
  log: EventLog,
  relay: string,
  filter: DeadLetterFilter,
): Promise<number> {
  return change(
    log,
    sql`set state = 'retrying', attempts = 0, next_attempt_at = clock_timestamp()`,
    matches(relay, { ...filter, state: 'parked' }),
  )
}

/** Has the relay pass them by for good. @returns how many. */
export async function discardDeadLetters(
  log: EventLog,
  relay: string,
  filter: DeadLetterFilter,
): Promise<number> {
  return change(
    log,
    sql`set state = 'discarded', next_attempt_at = null, resolved_at = clock_timestamp()`,
    matches(relay, filter),
  )
}

async function change(log: EventLog, set: SQL, where: SQL): Promise<number> {
  const [row] = await query<{ count: string }>(
    log,
    sql`
      with changed as (update ${log.tables.deadLetters} ${set} where ${where} returning 1)
      select count(*)::text as count from changed`,
  )
  return Number(row?.count)
}

function matches(
  relay: string,
  { id, aggregate, type, since, until, state = ['retrying', 'parked'] }: DeadLetterFilter,
) {
  const states = [state].flat().flatMap((one) => (one === 'retrying' ? ['retrying', 'sending'] : [one]))
  const conditions = [
    sql`relay = ${relay}::text`,
    sql`state = any(${`{${states.join()}}`}::text::text[])`,
    id !== undefined && sql`event_id = ${id}::text::uuid`,
    aggregate && sql`aggregate_type = ${aggregate.type}::text`,
    aggregate?.id !== undefined && sql`aggregate_id = ${aggregate.id}::text`,
    type !== undefined && sql`type = ${type}::text`,
    since && sql`last_failed_at >= to_timestamp(${String(since.getTime() / 1000)}::text::float)`,
    until && sql`last_failed_at < to_timestamp(${String(until.getTime() / 1000)}::text::float)`,
  ].filter((condition) => condition instanceof Object)
  return sql.join(conditions, sql` and `)
}

/** How a time prints depends on the session's settings; a number does not. */
function millisOf(column: string) {
  return sql`(extract(epoch from ${sql.identifier(column)}) * 1000)::text as ${sql.identifier(column)}`
}

interface DeadLetterRow extends TextRow {
  readonly relay: string
  readonly position: string
  readonly event_id: string
  readonly type: string
  readonly aggregate_type: string
  readonly aggregate_id: string
  readonly state: string
  readonly holds: string
  readonly waiting: string
  readonly attempts: string
  readonly error_code: string | null
  readonly error: string | null
  readonly first_failed_at: string | null
  readonly last_failed_at: string | null
  readonly next_attempt_at: string | null
  readonly resolved_at: string | null
}

function toDeadLetter(row: DeadLetterRow): DeadLetter {
  const times = {
    firstFailedAt: row.first_failed_at,
    lastFailedAt: row.last_failed_at,
    nextAttemptAt: row.next_attempt_at,
    resolvedAt: row.resolved_at,
  }
  const known = Object.entries(times).filter(([, millis]) => millis !== null)
  return {
    relay: row.relay,
    position: Number(row.position),
    eventId: row.event_id,
    type: row.type,
    aggregateType: row.aggregate_type,
    aggregateId: row.aggregate_id,
    state: row.state as DeadLetterState,
    holds: row.holds === 'true',
    waiting: Number(row.waiting),
    attempts: Number(row.attempts),
    ...(row.error_code === null ? {} : { error: { code: row.error_code, message: row.error ?? '' } }),
    ...Object.fromEntries(known.map(([name, millis]) => [name, new Date(Number(millis))])),
  }
}
