/** A busy day in the shop: many customers at a time, each with one order after the other. */
import type { Db } from '../../examples/quickstart/db.js'
import { customers } from '../../examples/quickstart/schema.js'
import type { Ledger } from './ledger.js'
import { CREDIT_LIMIT, liveOrder } from './order-story.js'
import { createRandom } from './random.js'

export const CUSTOMERS = 16

export interface ShopFloorOptions {
  readonly orders: number
  readonly seed: number
  readonly ledger: Ledger
  readonly signal: AbortSignal
  /** An order is done. */
  readonly onOrder: () => void
}

/** Resolves when all orders are done. The first failure that was not on purpose ends it. */
export async function runShopFloor(db: Db, options: ShopFloorOptions): Promise<void> {
  const names = Array.from({ length: CUSTOMERS }, (_, n) => `customer-${n + 1}`)
  await db.insert(customers).values(names.map((id) => ({ id, creditLimit: CREDIT_LIMIT })))

  let next = 0
  const failed = new AbortController()
  const signal = AbortSignal.any([options.signal, failed.signal])
  const shop = async (customer: string): Promise<void> => {
    while (next < options.orders) {
      signal.throwIfAborted()
      const number = ++next
      // Of its own, so that the story of an order is the same whichever customer comes to it.
      const random = createRandom(options.seed + number)
      await liveOrder(db, { id: `order-${number}`, customer, random, ledger: options.ledger })
      options.onOrder()
    }
  }
  const shopping = names.map((name) =>
    shop(name).catch((error) => {
      failed.abort(error)
    }),
  )
  await Promise.all(shopping) // all of them, so that no transaction runs on after this
  signal.throwIfAborted()
}
