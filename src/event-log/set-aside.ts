import { type SQL, sql } from 'drizzle-orm'
import type { OutboxTables } from './tables.js'

/** An event that the relay passes by: refused by the broker, or one of those that follow it in its aggregate. */
export interface SetAside {
  readonly position: number
  readonly state: 'retrying' | 'parked' | 'waiting'
  /** Whether its aggregate's later events wait for it. */
  readonly holds: boolean
  /** Left out of an event that only waits. */
  readonly failure?: Failure
}

/** Why an event was not published, without anything of the event. */
export interface Failure {
  readonly code: string
  readonly message: string
  /** How long to wait before it is tried again. */
  readonly retryInMs: number
}

/**
 * Enters events in the list of dead letters, in the statement that passes them by. Those that are there already, as
 * when the log is published again, stay as they are.
 *
 * @param passed a common table expression with a row if the relay may pass them.
 */
export function insertSetAside(
  { deadLetters, events }: OutboxTables,
  relay: string,
  rows: readonly SetAside[],
  passed: SQL,
): SQL {
  return sql`
    insert into ${deadLetters} (relay, position, event_id, aggregate_type, aggregate_id, type, state, holds,
      attempts, error_code, error, first_failed_at, last_failed_at, next_attempt_at)
    select ${relay}::text, position, event.id, event.aggregate_type, event.aggregate_id, event.type, aside.state, aside.holds,
      case when aside.failure then 1 else 0 end, aside.code, aside.message,
      case when aside.failure then clock_timestamp() end, case when aside.failure then clock_timestamp() end,
      case when aside.state = 'retrying' then clock_timestamp() + aside.retry_in_ms * interval '1 millisecond' end
    from ${passed}, json_to_recordset(${JSON.stringify(rows.map(toJson))}::text::json) as aside (
        position bigint, state text, holds boolean, failure boolean, code text, message text, retry_in_ms float)
      join ${events} event using (position)
    on conflict do nothing`
}

function toJson({ position, state, holds, failure }: SetAside) {
  const { code, message, retryInMs } = failure ?? {}
  return { position, state, holds, failure: failure !== undefined, code, message, retry_in_ms: retryInMs }
}
