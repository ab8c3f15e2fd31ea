import { sql } from 'drizzle-orm'
import { OutboxError } from '../errors.js'
import { type EventLog, query } from './database.js'

/**
 * Deletes a relay's row and its dead letters, unless somebody holds its lease.
 *
 * @returns false if there is no such relay.
 * @throws `ERR_OUTBOX_RELAY_ACTIVE`
 */
export async function deleteRelay(log: EventLog, relay: string): Promise<boolean> {
  const { relays, deadLetters } = log.tables
  const [found] = await query<{ owner: string | null; deleted: string }>(
    log,
    sql`
      with deleted as (
        delete from ${relays}
        where name = ${relay}::text and (lease_until is null or lease_until < clock_timestamp())
        returning name
      ), letters as (
        delete from ${deadLetters} using deleted where relay = deleted.name
      )
      select owner, exists (select from deleted)::text as deleted from ${relays} where name = ${relay}::text`,
  )
  if (found?.deleted === 'false')
    throw new OutboxError(
      'ERR_OUTBOX_RELAY_ACTIVE',
      `relay ${relay} is run by ${found.owner}: stop it, or wait until its lease lapses`,
      { relay, owner: found.owner ?? '' },
    )
  return found !== undefined
}
