/** The public types as an application uses them, and the mistakes they refuse. Compiled by `npm run check`, never run. */
import type { ExtractTablesWithRelations } from 'drizzle-orm'
import { drizzle as drizzleNodePostgres } from 'drizzle-orm/node-postgres'
import { integer, pgTable, text, withReplicas } from 'drizzle-orm/pg-core'
import { drizzle as drizzlePostgresJs, type PostgresJsDatabase } from 'drizzle-orm/postgres-js'
import {
  AggregateRoot,
  type AnyOutboxDb,
  createRecorder,
  createRelay,
  defineEvents,
  type EventOf,
  event,
  type HasOutbox,
  type OutboxDb,
  type Publisher,
  type TxOf,
  withOutbox,
} from 'drizzle-outbox'
import pg from 'pg'
import postgres from 'postgres'
import { z } from 'zod'

const orders = pgTable('orders', { id: text().primaryKey(), total: integer().notNull() })
const plain = drizzlePostgresJs({ client: postgres() })
export const db = withOutbox(plain, { source: '/shop' })
export const pgDb = withOutbox(drizzleNodePostgres({ client: new pg.Pool() }), { source: '/shop' })
export const replicated = withOutbox(
  withReplicas(drizzleNodePostgres({ client: new pg.Pool() }), [
    drizzleNodePostgres({ client: new pg.Pool() }),
  ]),
  { source: '/shop' },
)
export type Empty = ExtractTablesWithRelations<Record<string, never>>

// ── events ───────────────────────────────────────────────────────────────────────────────────────────────────────────
const orderEvents = defineEvents('order', {
  placed: z.object({ customerId: z.string(), total: z.int() }),
  shipped: z.object({ carrier: z.string() }),
})
type OrderEvent = EventOf<typeof orderEvents>

const payments = defineEvents(
  'payment',
  {
    captured: event(z.object({ amount: z.int(), currency: z.string() }), {
      version: 2,
      upcast: { 1: (data) => ({ amount: (data as { amount: number }).amount, currency: 'EUR' }) },
    }),
    refunded: event(z.object({ amount: z.int() }), { type: 'com.acme.payment.reversed' }),
    plain: z.object({}),
  },
  { namespace: 'com.acme' },
)
export const captured: 'com.acme.payment.captured' = payments.captured('1', {
  amount: 1,
  currency: 'EUR',
}).type
export const pinned: 'com.acme.payment.reversed' = payments.refunded('1', { amount: 1 }).type
export const inUnion: EventOf<typeof payments>['type'] = 'com.acme.payment.plain'

const Category = z.object({
  name: z.string(),
  get children() {
    return z.array(Category)
  },
})
export const accepted = defineEvents('accepted', {
  brand: z.object({ id: z.string().brand<'OrderId'>() }),
  trim: z.object({ name: z.string().trim().default('x') }),
  union: z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('card'), last4: z.string() }),
    z.object({ kind: z.literal('iban'), iban: z.string() }),
  ]),
  loose: z.looseObject({ a: z.string() }),
  rest: z.object({
    u: z.unknown(),
    m: z.record(z.string(), z.number()),
    t: z.tuple([z.string(), z.number()]),
  }),
  iso: z.object({ at: z.iso.datetime() }),
  json: z.object({ any: z.json() }),
  recursive: Category,
  aggregate: z.object({}),
  events: z.object({}),
})
accepted.trim('1', {})
accepted.brand('1', { id: 'plain' })

export const decide = (id: string, carrier: string): OrderEvent[] => [orderEvents.shipped(id, { carrier })]
export function evolve(total: number, happened: OrderEvent): number {
  switch (happened.type) {
    case 'order.placed':
      return happened.data.total
    case 'order.shipped':
      return total + happened.data.carrier.length
    default:
      return happened satisfies never
  }
}

// @ts-expect-error a date is not JSON
defineEvents('x', { at: z.object({ at: z.date() }) })
// @ts-expect-error a bigint is not JSON
defineEvents('x', { n: z.object({ n: z.bigint() }) })
// @ts-expect-error the schema would not accept its own output
defineEvents('x', { n: z.object({ n: z.string().transform((s) => s.length) }) })
// @ts-expect-error not a schema
defineEvents('x', { d: { total: 'number' } })
// @ts-expect-error an upcast gives the schema's input
event(z.object({ a: z.string() }), { version: 2, upcast: { 1: () => ({ b: 1 }) } })
// @ts-expect-error total is missing
orderEvents.placed('1', { customerId: 'ada' })

// ── aggregates ───────────────────────────────────────────────────────────────────────────────────────────────────────
export class Order extends AggregateRoot<typeof orderEvents> {
  constructor(id: string, version?: number) {
    super(orderEvents, id, { version })
  }
  static place(id: string) {
    const order = new Order(id)
    order.record('placed', { customerId: 'ada', total: 1 })
    return order
  }
  mistakes() {
    // @ts-expect-error no such event
    this.record('plcaed', { customerId: 'ada', total: 1 })
    // @ts-expect-error total is missing
    this.record('placed', { customerId: 'ada' })
  }
}
// @ts-expect-error record is for the aggregate's own methods
new Order('1').record('placed', { customerId: 'ada', total: 1 })
export class Forgot extends AggregateRoot<typeof orderEvents> {
  constructor(id: string) {
    // @ts-expect-error the events come first
    super(id)
  }
}
createRecorder(orderEvents, '1').record('shipped', { carrier: 'dhl' })

// ── transactions ─────────────────────────────────────────────────────────────────────────────────────────────────────
type Tx = Parameters<Parameters<typeof db.transaction>[0]>[0]
export async function save(tx: Tx, order: Order) {
  await tx.insert(orders).values({ id: order.id, total: 1 })
  tx.outbox.add(order)
  await tx.transaction(async (savepoint) => save(savepoint, order))
}
export const add = (tx: HasOutbox) => tx.outbox.add(Order.place('1'))
export const byName = async (tx: TxOf<typeof pgDb>) => tx.select().from(orders)

export async function useCases() {
  const total: number | undefined = await db.transaction(
    async (tx) => {
      await save(tx, Order.place('1'))
      add(tx)
      tx.outbox.add(...decide('1', 'dhl'))
      tx.outbox.add(new Order('1'), { expectedVersion: await tx.outbox.versionOf(orderEvents, '1') })
      tx.outbox.metadata({ correlationId: 'request' })
      tx.outbox.afterCommit(() => {})
      return (await tx.select().from(orders))[0]?.total
    },
    { isolationLevel: 'serializable' },
  )
  await replicated.transaction(async (tx) => add(tx))
  await pgDb.transaction(async (tx) => byName(tx))
  return total
}
export const takes = (plain: PostgresJsDatabase, injected: OutboxDb<PostgresJsDatabase>) => [plain, injected]
takes(db, db)
export const generic = <DB extends AnyOutboxDb, T>(any: DB, run: (tx: TxOf<DB>) => Promise<T>): Promise<T> =>
  any.transaction(run)

export async function mistakes() {
  // @ts-expect-error a plain transaction has no outbox
  await plain.transaction(async (tx) => save(tx, Order.place('1')))
  // @ts-expect-error events belong to a transaction
  db.outbox.add(Order.place('1'))
  // @ts-expect-error not an aggregate, not an event
  await db.transaction(async (tx) => tx.outbox.add({ type: 'x' }))
  // @ts-expect-error the callback is not asynchronous
  await db.transaction((tx) => tx.outbox.add(Order.place('1')))
  // @ts-expect-error no such level
  await db.transaction(async (tx) => add(tx), { isolationLevel: 'serialisable' })
}

// ── relay ────────────────────────────────────────────────────────────────────────────────────────────────────────────
declare const publisher: Publisher
export const relay = createRelay({ db, publisher })
relay.on('published', ({ count }) => count.toFixed())
relay.on('paused', ({ error, retryInMs }) => error.message.padEnd(retryInMs))
// @ts-expect-error the database needs an outbox
createRelay({ db: plain, publisher })
// @ts-expect-error no such event
relay.on('publish', () => {})
