import type { AnyOutboxDb } from '../../transaction/outbox-db.js'
import { countByType, EventTypes } from './event-types.js'
import { counter, type MetricsOptions, registryOf } from './registry.js'

const EVENTS_WRITTEN = {
  name: 'outbox_events_written_total',
  help: 'Events that transactions of this process have committed',
  labelNames: ['type'] as const,
}

/**
 * Counts the events that are committed through a database, in the process that writes them:
 * `outbox_events_written_total`, by type.
 *
 * @example
 * ```ts
 * export const db = withOutbox(drizzle({ client }), { source: '/shop' })
 * observeWrites(db)
 * ```
 * @returns a function that ends it.
 */
export function observeWrites(db: AnyOutboxDb, options: MetricsOptions = {}): () => void {
  const written = counter(registryOf(options), EVENTS_WRITTEN)
  const types = new EventTypes()
  return db['~drizzle-outbox'].commits.subscribe((events) => {
    for (const [type, count] of countByType(events)) written.inc({ type: types.labelOf(type) }, count)
  })
}
