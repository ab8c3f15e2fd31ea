/** Shops whose outbox tables are elsewhere: how the tests write to them and publish from them. */
import { createRelay, memoryPublisher, type TableOptions, withOutbox } from 'drizzle-outbox'
import { orderEvents, type ShopDb } from './drivers.js'
import type { DrizzleDb } from './outbox-databases.js'

export const shipped = (id: string, carrier = 'dhl') => orderEvents.shipped(id, { carrier })
export const store = (db: ShopDb, ...ids: string[]) =>
  db.transaction(async (tx) => tx.outbox.add(...ids.map((id) => shipped(id))))
export const withTables = (db: DrizzleDb, tables: TableOptions) => withOutbox(db, { source: '/shop', tables })

export async function publishedBy(db: ShopDb, name = 'default'): Promise<string[]> {
  const publisher = memoryPublisher()
  await createRelay({ db, publisher, name }).drain()
  return publisher.published.map(({ subject }) => subject as string)
}
