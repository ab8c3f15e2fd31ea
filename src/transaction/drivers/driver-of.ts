import type { Driver } from './connection.js'
import type { DrizzleDatabase } from './drizzle-database.js'
import { nodePostgres } from './node-postgres.js'
import { otherDriver } from './other-driver.js'
import { postgresJs } from './postgres-js.js'

export function driverOf(database: DrizzleDatabase): Driver {
  return nodePostgres(database) ?? postgresJs(database) ?? otherDriver(database)
}
