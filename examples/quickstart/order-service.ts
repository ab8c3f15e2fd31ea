/**
 * The use cases, each one transaction: load the order, let it decide, store the row, add the order to the outbox.
 * The row and the events are committed together, or not at all. Each returns the order's new version.
 */
import { and, eq, sum } from 'drizzle-orm'
import type { Db, Tx } from './db.js'
import { Order, OrderRuleError } from './order.js'
import { customers, orders } from './schema.js'

/** The caller chooses the id, so that a second click on the button is the same order and fails on its primary key. */
export function placeOrder(db: Db, id: string, customer: string, total: number): Promise<number> {
  return db.transaction(async (tx) => {
    const creditLimit = await lockCustomer(tx, customer)
    const order = Order.place(id, customer, total)
    const row = order.toRow()
    await tx.insert(orders).values(row)
    tx.outbox.add(order)
    // The order is inserted and its event recorded. If this throws, both are gone.
    if ((await unpaidTotal(tx, customer)) > creditLimit)
      throw new OrderRuleError(`order ${id} is above the credit of ${customer}`)
    return row.version
  })
}

export function payOrder(db: Db, id: string, amount: number): Promise<number> {
  return db.transaction(async (tx) => {
    const order = await lockOrder(tx, id)
    order.pay(amount)
    tx.outbox.add(order)
    return updateOrder(tx, order)
  })
}

export function shipOrder(db: Db, id: string, carrier: string): Promise<number> {
  return db.transaction(async (tx) => {
    const order = await lockOrder(tx, id)
    order.ship(carrier)
    tx.outbox.add(order)
    return updateOrder(tx, order)
  })
}

/**
 * A customer cancels what they see on a page, and meanwhile the order may have moved on. The version that they saw
 * travels with the request; if it is not the order's version any more: `ERR_OUTBOX_CONCURRENCY`.
 */
export function cancelOrder(db: Db, id: string, reason: string, seenVersion: number): Promise<number> {
  return db.transaction(async (tx) => {
    const order = await lockOrder(tx, id)
    order.cancel(reason)
    tx.outbox.add(order, { expectedVersion: seenVersion })
    return updateOrder(tx, order)
  })
}

/** Loads the order and holds its row until the transaction ends, so that changes of one order queue up. */
async function lockOrder(tx: Tx, id: string): Promise<Order> {
  const [row] = await tx.select().from(orders).where(eq(orders.id, id)).for('update')
  if (!row) throw new OrderRuleError(`there is no order ${id}`)
  return Order.fromRow(row)
}

async function updateOrder(tx: Tx, order: Order): Promise<number> {
  const { id, status, version } = order.toRow()
  await tx.update(orders).set({ status, version }).where(eq(orders.id, id))
  return version
}

/** Holds the customer's row: two orders at the same time must not both fit into what is left of the credit. */
async function lockCustomer(tx: Tx, id: string): Promise<number> {
  const [row] = await tx.select().from(customers).where(eq(customers.id, id)).for('update')
  if (!row) throw new OrderRuleError(`there is no customer ${id}`)
  return row.creditLimit
}

async function unpaidTotal(tx: Tx, customer: string): Promise<number> {
  const unpaid = and(eq(orders.customer, customer), eq(orders.status, 'placed'))
  const [row] = await tx
    .select({ total: sum(orders.total) })
    .from(orders)
    .where(unpaid)
  return Number(row?.total ?? 0)
}
