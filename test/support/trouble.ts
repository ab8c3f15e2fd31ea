import { PgDialect } from 'drizzle-orm/pg-core'
import type { ShopDb } from './drivers.js'

type Execute = ShopDb['~outbox']['database']['execute']

/** The database for a relay, whose statements `meddle` sees first: it may throw, wait, or count. */
export function withTrouble(db: ShopDb, meddle: (statement: string) => unknown): ShopDb {
  const { database } = db['~outbox']
  const dialect = new PgDialect()
  const execute: Execute = async (query) => {
    await meddle(dialect.sqlToQuery(query).sql)
    return database.execute(query)
  }
  return Object.create(db, { '~outbox': { value: { ...db['~outbox'], database: { execute } } } })
}
