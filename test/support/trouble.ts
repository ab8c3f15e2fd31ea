import { PgDialect } from 'drizzle-orm/pg-core'
import type { ShopDb } from './drivers.js'

type Execute = ShopDb['~drizzle-outbox']['log']['db']['execute']

/** The database for a relay, whose statements `before` sees first, and `after` last: they may throw, wait, or count. */
export function withTrouble(
  db: ShopDb,
  before: (statement: string) => unknown,
  after: (statement: string) => unknown = () => {},
): ShopDb {
  const { log } = db['~drizzle-outbox']
  const dialect = new PgDialect()
  const execute: Execute = async (query) => {
    const { sql } = dialect.sqlToQuery(query)
    await before(sql)
    const result = await log.db.execute(query)
    await after(sql)
    return result
  }
  return Object.create(db, {
    '~drizzle-outbox': { value: { ...db['~drizzle-outbox'], log: { ...log, db: { execute } } } },
  })
}
