import { sql } from 'drizzle-orm'
import { OutboxError } from '../errors.js'
import { type EventLog, query, sqlState, type TextRow } from './database.js'

/** What is known of a transaction whose COMMIT nobody heard the end of: one of its events. */
export interface Trace {
  readonly transactionId: string
  readonly eventId: string
  readonly aggregateType: string
  readonly aggregateId: string
  readonly aggregateVersion: number
}

/**
 * Whether a transaction has committed. Undefined: nobody knows yet. The server may work on a COMMIT long after its
 * client has lost the connection, for example while it waits for a synchronous replica; and a standby may not have
 * heard of it.
 *
 * Its status alone would not tell, because a crashed database hands out again the ids of transactions that were not on
 * disk. So its event is looked for, once it is over.
 *
 * @throws `ERR_OUTBOX_DATABASE_UNFIT` where row-level security would hide the event.
 */
export async function readOutcome(log: EventLog, trace: Trace): Promise<boolean | undefined> {
  const status = await readStatus(log, trace.transactionId)
  if (status === 'in progress') return undefined
  const { tables } = log
  const [found] = await query<Found>(
    log,
    sql`
      select
        pg_is_in_recovery()::text as standby,
        row_security_active(${tables.names.events}::text)::text as hidden,
        exists (
          select from ${tables.events}
          where xid = ${trace.transactionId}::text::xid8 and id = ${trace.eventId}::text::uuid
        )::text as stored,
        (select version from ${tables.aggregates}
          where type = ${trace.aggregateType}::text and id = ${trace.aggregateId}::text)::text as head`,
  )
  if (found?.stored === 'true') return true
  if (found?.standby === 'true') return undefined
  if (found?.hidden === 'true')
    throw new OutboxError(
      'ERR_OUTBOX_DATABASE_UNFIT',
      `row-level security hides events of ${tables.names.events} from this role, so nobody can tell; ask with a role that has BYPASSRLS`,
      { reason: 'row-level-security' },
    )
  // Committed, and its event deleted since? Or not, and its id given to another transaction after a crash?
  if (status === 'committed' && Number(found?.head ?? 0) >= trace.aggregateVersion) return undefined
  return false
}

type Found = TextRow & Record<'standby' | 'hidden' | 'stored', string>

/** `in progress`, `committed`, `aborted`; null when it is too long ago, or was never on disk. */
async function readStatus(log: EventLog, transactionId: string): Promise<string | null> {
  try {
    const [row] = await query<{ status: string | null }>(
      log,
      sql`select pg_xact_status(${transactionId}::text::xid8)::text as status`,
    )
    return row?.status ?? null
  } catch (error) {
    if (sqlState(error) === INVALID_PARAMETER_VALUE) return null // the id is still to come
    throw error
  }
}

const INVALID_PARAMETER_VALUE = '22023'
