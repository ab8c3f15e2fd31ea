import { type SQL, sql } from 'drizzle-orm'
import { appendOne, appendToMany, appendToOne } from './append-statements.js'
import { type Database, query } from './database.js'
import { aggregateKey, type NewEvent } from './new-event.js'

/** The aggregate's version after its last event, by {@link aggregateKey}. */
export type Heads = ReadonlyMap<string, number>

/**
 * Appends events, in their order, in one statement. It locks the heads of their aggregates and hands out versions
 * without gaps before any event draws its `position`: so the order of positions is the commit order of each aggregate.
 *
 * @param fence The value of the session setting `outbox.tx` in the transaction that the caller believes to be in.
 * When another transaction, or none, is on the connection, nothing is stored and no head is returned.
 */
export async function appendEvents(
  db: Database,
  events: readonly [NewEvent, ...NewEvent[]],
  fence: string | undefined,
): Promise<Heads> {
  const rows = await query<{ type: string; id: string; version: string }>(db, statementFor(events, fence))
  return new Map(rows.map(({ type, id, version }) => [aggregateKey(type, id), Number(version)]))
}

function statementFor(events: readonly [NewEvent, ...NewEvent[]], fence: string | undefined): SQL {
  const [first] = events
  if (events.length === 1) return appendOne(first, fence)
  const ofOne = events.every(
    ({ aggregateType, aggregateId }) =>
      aggregateType === first.aggregateType && aggregateId === first.aggregateId,
  )
  return ofOne ? appendToOne(events, fence) : appendToMany(events, fence)
}

/** How many events the aggregate has in the log. */
export async function readVersion(db: Database, aggregateType: string, aggregateId: string): Promise<number> {
  const [row] = await query<{ version: string }>(
    db,
    sql`
      select version::text from outbox_aggregates
      where type = ${aggregateType}::text and id = ${aggregateId}::text`,
  )
  return Number(row?.version ?? 0)
}
