/**
 * The tables of the outbox, for your own drizzle-kit: `export * from 'drizzle-outbox/schema'`.
 *
 * This file is published as source, because types that one Drizzle line emits for a table do not fit the other. It
 * imports nothing of ours, so that your compiler's settings meet as little of it as can be.
 */
import { sql } from 'drizzle-orm'
import {
  bigint,
  boolean,
  customType,
  index,
  integer,
  json,
  pgSchema,
  pgTable,
  primaryKey,
  smallint,
  text,
  timestamp,
  uuid,
} from 'drizzle-orm/pg-core'

const xid8 = customType<{ data: string }>({ dataType: () => 'xid8' })
const pgSnapshot = customType<{ data: string }>({ dataType: () => 'pg_snapshot' })

/** The version of these tables. Raised with each change; a relay refuses to start on another. */
const SCHEMA_VERSION = 4

/**
 * The tables in another schema, or with another prefix. Give `withOutbox` the same as `tables`.
 *
 * @example
 * ```ts
 * export const { outboxSchema, outboxEvents, outboxAggregates, outboxRelays, outboxDeadLetters } =
 *   createOutboxTables({ schema: 'messaging' })
 * ```
 */
export function createOutboxTables({
  schema,
  prefix = 'outbox_',
}: {
  /** The database schema. @default the one that the connection's `search_path` begins with */
  readonly schema?: string | undefined
  /** What the tables' names begin with. @default 'outbox_' */
  readonly prefix?: string | undefined
} = {}) {
  // "public" needs no "create schema", and Drizzle refuses to make one of that name.
  const outboxSchema = schema === undefined || schema === 'public' ? undefined : pgSchema(schema)
  const table = (outboxSchema?.table ?? pgTable) as typeof pgTable

  /** The log: one row for each event, never updated. */
  const outboxEvents = table(
    `${prefix}events`,
    {
      /** Order within a relay's window. Its sequence must hand out one number at a time (`cache 1`). */
      position: bigint({ mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
      /** The transaction that wrote the event: what a relay's snapshot is compared with. */
      xid: xid8().notNull().default(sql`pg_current_xact_id()`),
      id: uuid().notNull(),
      aggregateType: text('aggregate_type').notNull(),
      aggregateId: text('aggregate_id').notNull(),
      aggregateVersion: bigint('aggregate_version', { mode: 'number' }).notNull(),
      type: text().notNull(),
      schemaVersion: smallint('schema_version').notNull().default(1),
      /** `json`, not `jsonb`: the text is kept as it was recorded. */
      data: json().notNull(),
      metadata: json(),
      occurredAt: timestamp('occurred_at', { withTimezone: true }).notNull().default(sql`clock_timestamp()`),
    },
    (columns) => [index(`${prefix}events_xid`).on(columns.xid)],
  )

  /** The head of each aggregate: how many events it has. Locked by whoever appends to it. */
  const outboxAggregates = table(
    `${prefix}aggregates`,
    {
      type: text().notNull(),
      id: text().notNull(),
      version: bigint({ mode: 'number' }).notNull(),
    },
    (columns) => [primaryKey({ name: `${prefix}aggregates_pkey`, columns: [columns.type, columns.id] })],
  )

  /** One row for each relay: what it has published, and who holds it. */
  const outboxRelays = table(`${prefix}relays`, {
    name: text().primaryKey(),
    /** What its place in the log is: `snapshot`, of this table. Room for relays that read something else. */
    kind: text().notNull().default('snapshot'),
    /** What is published: the events of all transactions that this snapshot sees. */
    snapshot: pgSnapshot().notNull(),
    /** The open window reaches from `snapshot` to here. Null when no window is open. */
    next: pgSnapshot(),
    /** Position up to which the open window is published. */
    page: bigint({ mode: 'number' }),
    /** Where in its destination the publisher was at this checkpoint. What it says is the publisher's business. */
    publisherState: json('publisher_state'),
    /** The highest position that was ever published: what can still be told when transaction ids mean nothing any more. */
    maxPublished: bigint('max_published', { mode: 'number' }),
    /** During a replay: the open window has published events too, from this position on. */
    replayFrom: bigint('replay_from', { mode: 'number' }),
    /** Whether any of it was handed over. */
    replayBegun: boolean('replay_begun').notNull().default(false),
    /** How many replays there have been. */
    replays: integer().notNull().default(0),
    /** How often an owner vanished without having published anything; with a suspect, how often that was published. */
    crashes: smallint().notNull().default(0),
    /** Position of the event that is published alone, to find out whether owners vanish by it. */
    suspect: bigint({ mode: 'number' }),
    /** System identifier of the database cluster that the snapshots belong to. */
    cluster: text().notNull(),
    owner: text(),
    /** Raised with every change of owner; each statement of an owner carries it. */
    epoch: bigint({ mode: 'number' }).notNull(),
    leaseUntil: timestamp('lease_until', { withTimezone: true }),
    /** Its last sign of life. One that gives none any more still holds back retention: see `forgetRelay`. */
    activeAt: timestamp('active_at', { withTimezone: true }).notNull().default(sql`clock_timestamp()`),
    /** Its default says which version these tables are: migrations raise it, whoever generates them. */
    schemaVersion: smallint('schema_version').notNull().default(SCHEMA_VERSION),
  })

  /** Events that a broker refused, and those of the same aggregates that wait behind them. */
  const outboxDeadLetters = table(
    `${prefix}dead_letters`,
    {
      relay: text().notNull(),
      position: bigint({ mode: 'number' }).notNull(),
      eventId: uuid('event_id').notNull(),
      aggregateType: text('aggregate_type').notNull(),
      aggregateId: text('aggregate_id').notNull(),
      type: text().notNull(),
      /** `retrying`, `sending`, `parked`, `waiting` behind an earlier event, or `discarded`. Published ones are gone. */
      state: text().notNull(),
      /** Whether its aggregate's later events wait for it. */
      holds: boolean().notNull().default(true),
      attempts: smallint().notNull().default(0),
      /** Why it was refused last: a code and a bounded text, without anything of the event. */
      errorCode: text('error_code'),
      error: text(),
      firstFailedAt: timestamp('first_failed_at', { withTimezone: true }),
      lastFailedAt: timestamp('last_failed_at', { withTimezone: true }),
      nextAttemptAt: timestamp('next_attempt_at', { withTimezone: true }),
      resolvedAt: timestamp('resolved_at', { withTimezone: true }),
    },
    (columns) => [
      primaryKey({ name: `${prefix}dead_letters_pkey`, columns: [columns.relay, columns.position] }),
      index(`${prefix}dead_letters_aggregate`)
        .on(columns.relay, columns.aggregateType, columns.aggregateId, columns.position)
        .where(sql`holds and state <> 'discarded'`),
      index(`${prefix}dead_letters_due`)
        .on(columns.relay, columns.nextAttemptAt)
        .where(sql`state in ('retrying', 'sending')`),
    ],
  )

  return { outboxSchema, outboxEvents, outboxAggregates, outboxRelays, outboxDeadLetters }
}

export const { outboxEvents, outboxAggregates, outboxRelays, outboxDeadLetters } = createOutboxTables()
