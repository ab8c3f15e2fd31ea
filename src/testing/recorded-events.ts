import { readLog } from '../event-log/read-log.js'
import type { RecordedEvent } from '../events/domain-event.js'
import type { AnyOutboxDb } from '../transaction/outbox-db.js'

/**
 * Everything in the log, in order, published or not: for your own tests.
 *
 * @example
 * ```ts
 * await placeOrder(db, 'ada')
 * expect((await recordedEvents(db)).map((event) => event.type)).toEqual(['order.placed'])
 * ```
 */
export async function recordedEvents(
  db: AnyOutboxDb,
): Promise<(Omit<RecordedEvent, 'data'> & { readonly data: unknown })[]> {
  const { log, source } = db['~drizzle-outbox']
  const events = await readLog(log, source)
  return events.map((event) => ({ ...event, data: JSON.parse(event.data) }))
}
