import { type SQL, sql } from 'drizzle-orm'
import { type EventLog, query } from './database.js'
import { outboxRelays } from './schema.js'
import type { OutboxTables } from './tables.js'

/** The version of the tables that this release works with. */
export const SCHEMA_VERSION = Number(outboxRelays.schemaVersion.default)

/** What tables are that do not say. */
const BEFORE_VERSIONS = 1

export interface InstalledSchema {
  readonly version: number
  /** Who made the tables, and must go on: `migrateOutbox`, or migrations of the application's own. */
  readonly by: 'migrateOutbox' | 'application'
}

/** The outbox tables as they are in the database. Undefined: there are none. */
export async function readInstalledSchema(log: EventLog): Promise<InstalledSchema | undefined> {
  const { events, migrations } = log.tables.names
  const [found] = await query<{ events: string | null; migrations: string | null; version: string | null }>(
    log,
    sql`
      select to_regclass(${events}::text)::text as events, to_regclass(${migrations}::text)::text as migrations,
        (${versionOf(log.tables)})::text as version`,
  )
  if (found?.events == null) return undefined
  return {
    version: parseVersion(found.version),
    by: found.migrations == null ? 'application' : 'migrateOutbox',
  }
}

/** A scalar subquery; {@link parseVersion} reads it. */
export function versionOf({ names: { relays } }: OutboxTables): SQL {
  return sql`
    select substring(pg_get_expr(adbin, adrelid) from '[0-9]+')
    from pg_attrdef join pg_attribute on attrelid = adrelid and attnum = adnum
    where adrelid = to_regclass(${relays}::text) and attname = 'schema_version'`
}

export function parseVersion(text: string | null | undefined): number {
  return Number(text ?? BEFORE_VERSIONS)
}
