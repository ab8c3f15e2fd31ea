import { sql } from 'drizzle-orm'
import { type AppendStatements, appendStatements, bindAppend } from './append-statements.js'
import { type EventLog, query, queryBound } from './database.js'
import { aggregateKey, type NewEvent } from './new-event.js'
import type { OutboxTables } from './tables.js'

/** What an append has done. */
export interface Appended {
  /** The aggregates' versions after their last event, by {@link aggregateKey}. Empty: the fence did not hold. */
  readonly heads: ReadonlyMap<string, number>
  /** The id of the transaction. */
  readonly transactionId: string | undefined
}

/**
 * Appends events, in their order, in one statement. It locks the heads of their aggregates and hands out versions
 * without gaps before any event draws its `position`: so the order of positions is the commit order of each aggregate.
 *
 * @param fence The value of the session setting `outbox.tx` in the transaction that the caller believes to be in.
 * When another transaction, or none, is on the connection, nothing is stored and no head is returned.
 */
export async function appendEvents(
  log: EventLog,
  events: readonly [NewEvent, ...NewEvent[]],
  fence: string | undefined,
): Promise<Appended> {
  const statements = statementsFor(log.tables, fence !== undefined)
  const rows = await queryBound<HeadRow>(log, bindAppend(statements, events, fence ?? null))
  return {
    heads: new Map(rows.map(({ type, id, version }) => [aggregateKey(type, id), Number(version)])),
    transactionId: rows[0]?.xid,
  }
}

type HeadRow = Record<'type' | 'id' | 'version' | 'xid', string>

/** Made once for each database, without a fence and with one. */
function statementsFor(tables: OutboxTables, fenced: boolean): AppendStatements {
  const known = fenced ? fencedStatements : plainStatements
  const statements = known.get(tables) ?? appendStatements(tables, fenced)
  known.set(tables, statements)
  return statements
}

const plainStatements = new WeakMap<OutboxTables, AppendStatements>()
const fencedStatements = new WeakMap<OutboxTables, AppendStatements>()

/** How many events the aggregate has in the log. */
export async function readVersion(
  log: EventLog,
  aggregateType: string,
  aggregateId: string,
): Promise<number> {
  const [row] = await query<{ version: string }>(
    log,
    sql`
      select version::text from ${log.tables.aggregates}
      where type = ${aggregateType}::text and id = ${aggregateId}::text`,
  )
  return Number(row?.version ?? 0)
}
