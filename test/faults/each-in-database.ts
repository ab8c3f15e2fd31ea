/** A database for each test, with the tables of the campaigns. */
import { afterEach, beforeEach } from 'vitest'
import { type OpenDatabase, openDatabase } from '../support/outbox-databases.js'
import { freshDatabase } from '../support/servers.js'
import { createTables } from './accounts.js'

export interface FreshDatabase {
  readonly url: string
  readonly open: OpenDatabase
}

/** @returns what gives it, in a test. */
export function eachInDatabase(): () => FreshDatabase {
  let fresh: FreshDatabase
  let drop: () => Promise<void>
  beforeEach(async () => {
    const database = await freshDatabase()
    drop = database.drop
    fresh = { url: database.url, open: openDatabase(database.url) }
    await createTables(fresh.open)
  })
  afterEach(async () => {
    await fresh.open.close()
    await drop()
  })
  return () => fresh
}
