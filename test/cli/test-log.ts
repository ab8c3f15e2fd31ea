/** A database of a test's own with an outbox, and what its processes are told to find it. */
import { drizzle } from 'drizzle-orm/node-postgres'
import { migrateOutbox, withOutbox } from 'drizzle-outbox'
import pg from 'pg'
import { orderEvents } from '../support/drivers.js'
import { endPool } from '../support/outbox-databases.js'
import { freshDatabase } from '../support/servers.js'

export async function openTestLog() {
  const { url, drop } = await freshDatabase()
  const client = new pg.Pool({ connectionString: url, max: 4 })
  const db = withOutbox(drizzle({ client }), { source: '/shop' })
  await migrateOutbox(db)
  return {
    url,
    client,
    db,
    env: { DATABASE_URL: url },
    /** Each in a transaction of its own. */
    record: async (...ids: readonly string[]) => {
      for (const id of ids)
        await db.transaction(async (tx) => tx.outbox.add(orderEvents.placed(id, { total: 1 })))
    },
    /** What the relays have in their rows. */
    relays: async () => (await client.query('select * from outbox_relays order by name')).rows,
    close: async () => {
      await endPool(client)
      await drop()
    },
  }
}

export type TestLog = Awaited<ReturnType<typeof openTestLog>>
