/** What happens to one order, with all that can go wrong in a shop. */
import type { Db } from '../../examples/quickstart/db.js'
import { cancelOrder, payOrder, placeOrder, shipOrder } from '../../examples/quickstart/order-service.js'
import type { Ledger } from './ledger.js'
import type { Random } from './random.js'

/** In cents: what all unpaid orders of a customer together may cost. */
export const CREDIT_LIMIT = 1_000_00
const MISHAP = 0.05

/** The customer has no other unpaid order. */
export async function liveOrder(
  db: Db,
  { id, customer, random, ledger }: { id: string; customer: string; random: Random; ledger: Ledger },
): Promise<void> {
  const total = random.between(1_00, CREDIT_LIMIT)

  // A rule of the shop: the first try is more than the customer may owe. The event was recorded by then.
  if (random.chance(MISHAP)) {
    const tooMuch = random.between(CREDIT_LIMIT + 1, 2 * CREDIT_LIMIT)
    await ledger.fails('rule', id, 'order.placed', placeOrder(db, id, customer, tooMuch))
  }

  // A failing statement: a double click places the order twice, at the same moment. One of the two is the order.
  if (random.chance(MISHAP)) {
    const click = () =>
      ledger.commitsOrFails('statement', id, 'order.placed', placeOrder(db, id, customer, total))
    const placed = (await Promise.all([click(), click()])).filter((committed) => committed)
    if (placed.length !== 1) throw new Error(`${id} was placed ${placed.length} times`)
  } else {
    await ledger.commits(id, 'order.placed', placeOrder(db, id, customer, total))
  }
  const seenVersion = 1

  if (random.chance(0.15)) {
    await ledger.commits(id, 'order.cancelled', cancelOrder(db, id, 'found it cheaper', seenVersion))
    return
  }
  const paidVersion = await ledger.commits(id, 'order.paid', payOrder(db, id, total))

  // A conflict: the customer cancels in a window that still shows the unpaid order.
  if (random.chance(MISHAP)) {
    const cancelled = cancelOrder(db, id, 'changed my mind', seenVersion)
    await ledger.fails('concurrency', id, 'order.cancelled', cancelled)
  }

  if (random.chance(0.1)) {
    await ledger.commits(id, 'order.cancelled', cancelOrder(db, id, 'takes too long', paidVersion))
    return
  }
  await ledger.commits(
    id,
    'order.shipped',
    shipOrder(db, id, random.pick(['DHL', 'La Poste', 'Πόστα', '郵便'])),
  )
}
