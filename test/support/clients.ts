import { drizzle } from 'drizzle-orm/node-postgres'
import pg from 'pg'

/** Plain Drizzle databases, each on a connection pool of its own. */
export function openClients(url: string, count: number) {
  return Array.from({ length: count }, () => {
    const client = new pg.Pool({ connectionString: url, max: 1 })
    return { db: drizzle({ client }), close: () => client.end() }
  })
}
