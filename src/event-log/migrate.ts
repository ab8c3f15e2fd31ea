import { sql } from 'drizzle-orm'
import { OutboxError } from '../errors.js'
import { type Database, type EventLog, query } from './database.js'
import { readMigrations } from './migrations.js'
import { quoteIdentifier, resolveTables, type TableOptions } from './tables.js'

/** A Drizzle database that can be migrated. */
export interface MigratableDatabase {
  // biome-ignore lint/suspicious/noExplicitAny: every driver's transaction has another type
  transaction(run: (tx: any) => Promise<void>): Promise<void>
}

/**
 * Creates the outbox tables, and their schema if one is named, or brings them up to this version of the library. For
 * those who do not let their own drizzle-kit generate them from `drizzle-outbox/schema`. May run in many processes at
 * once. Tables that a later version of the library has migrated are left as they are.
 *
 * @param options The tables, where `withOutbox` was given other ones than the default.
 * @example
 * ```ts
 * await migrateOutbox(db)
 * ```
 * @throws `ERR_OUTBOX_TABLES_NOT_OURS` where other migrations made the tables, `ERR_OUTBOX_OPTION_INVALID`.
 */
export async function migrateOutbox(db: MigratableDatabase, options: TableOptions = {}): Promise<void> {
  const tables = resolveTables(options)
  await db.transaction(async (tx: Database) => {
    const log = { db: tx, tables }
    // Two "create … if not exists" at once can fail; the lock lasts until this transaction ends.
    await tx.execute(sql`select pg_advisory_xact_lock(hashtextextended('drizzle-outbox migrations', 0))`)
    if (tables.schema !== undefined) await enterSchema(log, tables.schema)
    await ensureMigrationsTable(log)
    const rows = await query<{ name: string }>(log, sql`select name from ${tables.migrations}`)
    const applied = new Set(rows.map(({ name }) => name))
    for (const { name, statements } of await readMigrations(tables)) {
      if (applied.has(name)) continue
      for (const statement of statements) await tx.execute(sql.raw(statement))
      await tx.execute(sql`insert into ${tables.migrations} (name) values (${name}::text)`)
    }
  })
}

/** The migrations name no schema: they make their tables in the one that the search path begins with. */
async function enterSchema(log: EventLog, schema: string): Promise<void> {
  const [found] = await query<{ oid: string }>(
    log,
    sql`select oid::text from pg_namespace where nspname = ${schema}::text`,
  )
  if (!found) await log.db.execute(sql.raw(`create schema ${quoteIdentifier(schema)}`))
  await log.db.execute(sql.raw(`set local search_path to ${quoteIdentifier(schema)}`))
}

/** Looked up rather than made "if not exists", whose notice postgres.js would print at every start. */
async function ensureMigrationsTable(log: EventLog): Promise<void> {
  const { names, migrations } = log.tables
  const [found] = await query<{ migrations: string | null; events: string | null }>(
    log,
    sql`
      select to_regclass(${names.migrations}::text)::text as migrations,
        to_regclass(${names.events}::text)::text as events`,
  )
  if (found?.migrations != null) return
  if (found?.events != null)
    throw new OutboxError(
      'ERR_OUTBOX_TABLES_NOT_OURS',
      'the outbox tables are there, but migrateOutbox did not make them: leave them to the migrations that did',
      {},
    )
  await log.db.execute(sql`
    create table ${migrations} (
      name text primary key, applied_at timestamptz not null default clock_timestamp())`)
}
