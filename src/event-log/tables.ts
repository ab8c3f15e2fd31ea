import { createHash } from 'node:crypto'
import { type SQL, sql } from 'drizzle-orm'
import { invalidOption } from '../errors.js'
import { isStorable } from '../events/json.js'

/** Where the outbox tables are. The same for `withOutbox`, `migrateOutbox` and `createOutboxTables`. */
export interface TableOptions {
  /** The database schema, for a tenant or a service of its own. @default whatever the connection's `search_path` finds */
  readonly schema?: string | undefined
  /** What the tables' names begin with. @default 'outbox_' */
  readonly prefix?: string | undefined
}

/** The tables by name, as they stand in SQL. */
export interface OutboxTables {
  readonly events: SQL
  readonly aggregates: SQL
  readonly relays: SQL
  readonly deadLetters: SQL
  readonly migrations: SQL
  /** Quoted, for functions that take a name as text, and for people. */
  readonly names: Readonly<Record<'events' | 'aggregates' | 'relays' | 'deadLetters' | 'migrations', string>>
  readonly schema: string | undefined
  readonly prefix: string
  /** Where commits are notified: see {@link channelOf}. */
  readonly channel: string
}

export const DEFAULT_PREFIX = 'outbox_'

/** @throws `ERR_OUTBOX_OPTION_INVALID` for what PostgreSQL could not take as it is. */
export function resolveTables({ schema, prefix = DEFAULT_PREFIX }: TableOptions = {}): OutboxTables {
  if (schema !== undefined) checkIdentifier('schema', schema)
  // PostgreSQL's own; and the role's name, which a search path puts in place of it.
  if (schema !== undefined && /^pg_|^\$user$/.test(schema))
    throw invalidOption('schema', 'must not begin with "pg_" or be "$user"')
  checkIdentifier('prefix', prefix, LONGEST_NAME)
  const nameOf = (table: string) =>
    [...(schema === undefined ? [] : [schema]), prefix + table].map(quoteIdentifier).join('.')
  const names = {
    events: nameOf('events'),
    aggregates: nameOf('aggregates'),
    relays: nameOf('relays'),
    deadLetters: nameOf('dead_letters'),
    migrations: nameOf('migrations'),
  }
  return {
    events: sql.raw(names.events),
    aggregates: sql.raw(names.aggregates),
    relays: sql.raw(names.relays),
    deadLetters: sql.raw(names.deadLetters),
    migrations: sql.raw(names.migrations),
    names,
    schema,
    prefix,
    channel: channelOf(schema, prefix),
  }
}

/**
 * `outbox_events`, `messaging.shop_events`: of the options alone, so that writers and relays have the same one whatever
 * their search paths find. Sets of tables that share a channel only wake each other's relays in vain.
 */
function channelOf(schema: string | undefined, prefix: string): string {
  const name = `${schema === undefined ? '' : `${schema}.`}${prefix}events`
  if (name.length <= MAX_IDENTIFIER_BYTES && /^[\w.]+$/.test(name)) return name
  return `outbox_${createHash('sha256').update(name).digest('hex').slice(0, 32)}`
}

/** The longest of the names that begin with the prefix. */
const LONGEST_NAME = 'dead_letters_aggregate'

/** PostgreSQL cuts longer names off without an error (documentation, section 4.1.1). */
const MAX_IDENTIFIER_BYTES = 63

function checkIdentifier(option: string, name: unknown, suffix = ''): asserts name is string {
  if (typeof name !== 'string' || name === '' || !isStorable(name))
    throw invalidOption(option, 'must be a non-empty string without \\u0000 or half a surrogate pair')
  if (Buffer.byteLength(name + suffix) > MAX_IDENTIFIER_BYTES)
    throw invalidOption(
      option,
      `must be at most ${MAX_IDENTIFIER_BYTES - suffix.length} bytes, or PostgreSQL would cut names off`,
    )
}

/** Any name as SQL (documentation, section 4.1.1, "delimited identifier"). */
export function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}
