/** The application under faults: an order with its items, which are there together or not at all. */
import { sql } from 'drizzle-orm'
import { AggregateRoot, defineEvents } from 'drizzle-outbox'
import { z } from 'zod'
import { migrate, type OpenDatabase, type Tx } from '../../support/outbox-databases.js'

export const orderEvents = defineEvents('order', {
  placed: z.object({ total: z.int() }),
})
const itemEvents = defineEvents('item', { added: z.object({ order: z.string() }) })

export class Order extends AggregateRoot<typeof orderEvents> {
  /** How often a hook of its transaction ran. */
  hooks = 0

  constructor(id: string) {
    super(orderEvents, id, { version: 0 })
    this.record('placed', { total: 2 })
  }
}

/** Another session can make `orders` wait by holding the advisory lock of its id's `gate`: COMMIT passes through it. */
export async function createTables(database: OpenDatabase): Promise<void> {
  await migrate(database)
  for (const statement of [
    'create table orders (id text primary key, total int not null)',
    'create table items (id text primary key, order_id text not null)',
    'create table contested (id int primary key, n int not null)',
    'insert into contested values (1, 0)',
    `create function gate_commit() returns trigger language plpgsql as
      'begin perform pg_advisory_xact_lock_shared(1); return null; end'`,
    `create constraint trigger gate_commit after insert on orders deferrable initially deferred
      for each row execute function gate_commit()`,
  ])
    await database.db.execute(sql.raw(statement))
}

/** In which order the transaction gets to what. Before each of them it is idle for a moment. */
export const steps = [
  'insert the order',
  'add the aggregate',
  'update the order',
  'open a savepoint',
  'insert an item',
  'release the savepoint',
  'insert the last item',
  'flush',
] as const
export type Step = (typeof steps)[number]

export interface Telling {
  /** Goes on with the next statement, whatever comes of one. */
  readonly stubborn: boolean
  /** Called at every step. */
  readonly reached: (step: Step) => Promise<void>
  /** Another statement on the way, which a fault may meet. */
  readonly detour?: string
}

/** The callback of the transaction. */
export async function placeOrder(
  tx: Tx,
  order: Order,
  { stubborn, reached, detour }: Telling,
): Promise<void> {
  const { id } = order
  const go = async (run: () => unknown) => {
    try {
      await run()
    } catch (error) {
      if (!stubborn) throw error
    }
  }
  const take = async (step: Step, run: () => unknown) => {
    await reached(step)
    await go(run)
  }
  await take('insert the order', () =>
    tx.execute(sql`insert into orders values (${id}, 1) on conflict do nothing`),
  )
  await take('add the aggregate', () => {
    tx.outbox.add(order)
    tx.outbox.afterCommit(() => {
      order.hooks++
    })
  })
  await take('update the order', () => tx.execute(sql`update orders set total = 2 where id = ${id}`))
  if (detour !== undefined) await go(() => tx.execute(sql.raw(detour)))
  await take('open a savepoint', () =>
    tx.transaction(async (savepoint) => {
      await take('insert an item', async () => {
        await savepoint.execute(sql`insert into items values (${`${id}/1`}, ${id}) on conflict do nothing`)
        savepoint.outbox.add(itemEvents.added(`${id}/1`, { order: id }))
      })
      await reached('release the savepoint')
    }),
  )
  await take('insert the last item', () =>
    tx.execute(sql`insert into items values (${`${id}/2`}, ${id}) on conflict do nothing`),
  )
  await reached('flush')
}
