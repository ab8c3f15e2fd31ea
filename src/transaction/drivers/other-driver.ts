import { randomUUID } from 'node:crypto'
import { sql } from 'drizzle-orm'
import { fenceStatement } from '../../event-log/fence.js'
import { type Driver, UNWATCHED } from './connection.js'
import type { DrizzleDatabase } from './drizzle-database.js'
import { isPGlite, listenInside } from './pglite-listen.js'

/** PGlite, which has no connection to lose, and whatever we do not know, which gets a fence. */
export function otherDriver(database: DrizzleDatabase): Driver {
  const { $client: client } = database
  const needsFence = typeof client !== 'object' || client === null || !('query' in client)
  return {
    transaction: (run, ...config) => database.transaction(run, ...config),
    watch: async (tx) => {
      if (!needsFence) return UNWATCHED
      const fence = randomUUID()
      await tx.execute(sql.raw(fenceStatement(fence)))
      return { ...UNWATCHED, fence }
    },
    listen: isPGlite(client) ? listenInside(client) : undefined,
  }
}
