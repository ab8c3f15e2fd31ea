import type { EventLog } from '../../event-log/database.js'
import { findSchemaDrift } from '../../event-log/schema-drift.js'
import { readInstalledSchema, SCHEMA_VERSION } from '../../event-log/schema-version.js'
import {
  type Privilege,
  readRole,
  readSequenceCache,
  readTableFacts,
  type TableFacts,
  type TableKey,
} from '../../event-log/table-facts.js'
import type { Finding } from '../../publishers/publisher.js'
import { count } from '../output/units.js'

/** The outbox tables: whether they are there, as they should be, and can be used. */
export async function checkTables(log: EventLog): Promise<Finding[]> {
  const installed = await readInstalledSchema(log)
  if (installed === undefined)
    return [
      {
        check: 'tables',
        level: 'error',
        message: `there is no table ${log.tables.names.events} (as this role's search path finds it)`,
        remedy: 'npx drizzle-outbox migrate, or your own migrations with the SQL of npx drizzle-outbox sql',
      },
    ]
  const { version, by } = installed
  if (version !== SCHEMA_VERSION) return [versionOf(version, by)]
  const role = await readRole(log)
  const facts: [TableKey, TableFacts][] = []
  for (const table of Object.keys(NEEDED) as TableKey[]) facts.push([table, await readTableFacts(log, table)])
  return [
    versionOf(version, by),
    ...driftOf(await findSchemaDrift(log)),
    privilegesOf(facts, role),
    rowSecurityOf(facts, role),
    sequenceOf(log, await readSequenceCache(log)),
    ...facts.map(([, table]) => vacuumOf(table)).filter((finding) => finding !== undefined),
  ]
}

function versionOf(version: number, by: 'migrateOutbox' | 'application'): Finding {
  const check = 'tables'
  const made = by === 'application' ? "made by the application's migrations" : 'made by migrateOutbox'
  if (version === SCHEMA_VERSION) return { check, level: 'ok', message: `version ${version}, ${made}` }
  const message = `version ${version}, ${made}; this release needs ${SCHEMA_VERSION}, and its relay does not start`
  if (version > SCHEMA_VERSION)
    return { check, level: 'error', message, remedy: 'npm install drizzle-outbox@latest' }
  const remedy =
    by === 'application'
      ? 'generate and apply the migration with your drizzle-kit, or apply what npx drizzle-outbox sql --missing prints'
      : 'npx drizzle-outbox migrate'
  return { check, level: 'error', message, remedy }
}

function driftOf(drift: readonly string[]): Finding[] {
  const check = 'columns and indexes'
  if (drift.length === 0) return [{ check, level: 'ok', message: 'as they should be' }]
  return drift.map((message) => ({
    check,
    level: 'error',
    message,
    remedy: 'compare with what npx drizzle-outbox sql prints, and alter the table',
  }))
}

/** What relays need (test/ops/roles.test.ts). */
const NEEDED: Readonly<Record<TableKey, readonly Privilege[]>> = {
  events: ['select', 'delete'],
  aggregates: [],
  relays: ['select', 'insert', 'update'],
  deadLetters: ['select', 'insert', 'update', 'delete'],
}

/** What those need who record events, who may have another role. */
const FOR_WRITERS: Readonly<Partial<Record<TableKey, readonly Privilege[]>>> = {
  events: ['insert'],
  aggregates: ['select', 'insert', 'update'],
}

function privilegesOf(facts: readonly (readonly [TableKey, TableFacts])[], role: string): Finding {
  const check = 'privileges'
  const grants = (needed: Partial<Record<TableKey, readonly Privilege[]>>) =>
    facts.flatMap(([table, { name, privileges }]) => {
      const missing = (needed[table] ?? []).filter((privilege) => !privileges.has(privilege))
      return missing.length === 0 ? [] : `grant ${missing.join(', ')} on ${name} to ${role}`
    })
  const [forRelay, forWriters] = [grants(NEEDED), grants(FOR_WRITERS)]
  if (forRelay.length > 0)
    return {
      check,
      level: 'error',
      message: `role ${role} may not do all that a relay does`,
      remedy: forRelay.join('; '),
    }
  if (forWriters.length > 0)
    return {
      check,
      level: 'ok',
      message: `role ${role} may do what a relay does. It may not record events, which needs: ${forWriters.join('; ')}`,
    }
  return { check, level: 'ok', message: `role ${role} may record and publish events` }
}

function rowSecurityOf(facts: readonly (readonly [TableKey, TableFacts])[], role: string): Finding {
  const check = 'row-level security'
  const hidden = facts.filter(([, { hidesRows }]) => hidesRows).map(([, { name }]) => name)
  if (hidden.length === 0) return { check, level: 'ok', message: 'hides nothing from this role' }
  return {
    check,
    level: 'error',
    message: `hides rows of ${hidden.join(', ')} from role ${role} without an error: events would never be published, so the relay does not start`,
    remedy: `alter role ${role} bypassrls, or: alter table ${hidden[0]} disable row level security`,
  }
}

function sequenceOf({ tables: { names } }: EventLog, cache: number): Finding {
  const check = 'sequence cache'
  if (cache === 1) return { check, level: 'ok', message: '1' }
  return {
    check,
    level: 'error',
    message: `${cache}: sessions take positions ahead, so that a later event may get the lower one and be published first; the relay does not start`,
    remedy: `alter table ${names.events} alter column position set cache 1`,
  }
}

function vacuumOf({ name, autovacuum, liveRows, deadRows }: TableFacts): Finding | undefined {
  const check = `vacuum of ${name}`
  if (!autovacuum)
    return {
      check,
      level: 'error',
      message: 'autovacuum is switched off for this table: dead rows pile up',
      remedy: `alter table ${name} reset (autovacuum_enabled)`,
    }
  if (deadRows < MANY_ROWS || deadRows < liveRows) return undefined
  return {
    check,
    level: 'warning',
    message: `${count(deadRows)} dead rows beside ${count(liveRows)} live ones: autovacuum does not keep up, or an old transaction holds it back`,
    remedy: `vacuum ${name}`,
  }
}

const MANY_ROWS = 50_000
