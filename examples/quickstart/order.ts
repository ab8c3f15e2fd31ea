/** An order and its rules. Every change records an event; nothing here knows of a database. */
import { AggregateRoot } from 'drizzle-outbox'
import { orderEvents } from './order-events.js'
import type { OrderRow } from './schema.js'

export class Order extends AggregateRoot<typeof orderEvents> {
  readonly customer: string
  readonly total: number
  #status: OrderRow['status']

  private constructor(row: OrderRow) {
    super(orderEvents, row.id, { version: row.version })
    this.customer = row.customer
    this.total = row.total
    this.#status = row.status
  }

  static place(id: string, customer: string, total: number): Order {
    if (total <= 0) throw new OrderRuleError('an order costs something')
    const order = new Order({ id, customer, total, status: 'placed', version: 0 })
    order.record('placed', { customer, total })
    return order
  }

  static fromRow(row: OrderRow): Order {
    return new Order(row)
  }

  pay(amount: number): void {
    this.#must('be placed', this.#status === 'placed')
    this.#must(`be paid with ${this.total} cents, not ${amount}`, amount === this.total)
    this.record('paid', { amount })
    this.#status = 'paid'
  }

  ship(carrier: string): void {
    this.#must('be paid', this.#status === 'paid')
    this.record('shipped', { carrier })
    this.#status = 'shipped'
  }

  cancel(reason: string): void {
    this.#must('be placed or paid', this.#status === 'placed' || this.#status === 'paid')
    this.record('cancelled', { reason, refund: this.#status === 'paid' ? this.total : 0 })
    this.#status = 'cancelled'
  }

  /** The row to store together with the events recorded so far. */
  toRow(): OrderRow {
    const version = (this.version ?? 0) + this.pendingEvents.length
    return { id: this.id, customer: this.customer, total: this.total, status: this.#status, version }
  }

  #must(rule: string, kept: boolean): void {
    if (!kept) throw new OrderRuleError(`order ${this.id} is ${this.#status} and must ${rule}`)
  }
}

/** A rule of the shop forbids it. */
export class OrderRuleError extends Error {
  override readonly name = 'OrderRuleError'
}
