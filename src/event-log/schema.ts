/**
 * The tables of the outbox, for your own drizzle-kit: `export * from 'drizzle-outbox/schema'`.
 *
 * This file is published as source, because types that one Drizzle line emits for a table do not fit the other.
 */
import { sql } from 'drizzle-orm'
import {
  bigint,
  customType,
  index,
  json,
  pgTable,
  primaryKey,
  smallint,
  text,
  timestamp,
  uuid,
} from 'drizzle-orm/pg-core'

const xid8 = customType<{ data: string }>({ dataType: () => 'xid8' })
const pgSnapshot = customType<{ data: string }>({ dataType: () => 'pg_snapshot' })

/** The log: one row for each event, never updated. */
export const outboxEvents = pgTable(
  'outbox_events',
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
  (table) => [index('outbox_events_xid').on(table.xid)],
)

/** The head of each aggregate: how many events it has. Locked by whoever appends to it. */
export const outboxAggregates = pgTable(
  'outbox_aggregates',
  {
    type: text().notNull(),
    id: text().notNull(),
    version: bigint({ mode: 'number' }).notNull(),
  },
  (table) => [primaryKey({ name: 'outbox_aggregates_pkey', columns: [table.type, table.id] })],
)

/** One row for each relay: what it has published, and who holds it. */
export const outboxRelays = pgTable('outbox_relays', {
  name: text().primaryKey(),
  /** What is published: the events of all transactions that this snapshot sees. */
  snapshot: pgSnapshot().notNull(),
  /** The open window reaches from `snapshot` to here. Null when no window is open. */
  next: pgSnapshot(),
  /** Position up to which the open window is published. */
  page: bigint({ mode: 'number' }),
  /** System identifier of the database cluster that the snapshots belong to. */
  cluster: text().notNull(),
  owner: text(),
  /** Raised with every change of owner; each statement of an owner carries it. */
  epoch: bigint({ mode: 'number' }).notNull(),
  leaseUntil: timestamp('lease_until', { withTimezone: true }),
})
