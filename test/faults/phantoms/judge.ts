/** What is in the tables after a transaction was struck, and what is wrong with that. */
import { isOutboxError } from 'drizzle-outbox'
import type pg from 'pg'
import { isInCommit, mayHaveSentCommit } from './moments.js'
import type { Ending, Scenario } from './scenario.js'
import type { Order } from './shop.js'

/** What there is of an order. */
export interface State {
  /** Of the row, if there is one. */
  readonly total: number | undefined
  readonly items: number
  /** Of the order and of its item. */
  readonly events: readonly string[]
}

export async function stateOf(session: pg.Client, id: string): Promise<State> {
  const orders = await session.query<{ total: number }>('select total from orders where id = $1', [id])
  const items = await session.query('select from items where order_id = $1', [id])
  const events = await session.query<{ type: string }>(
    'select type from outbox_events where aggregate_id in ($1, $2) order by position',
    [id, `${id}/1`],
  )
  return {
    total: orders.rows[0]?.total,
    items: items.rowCount ?? 0,
    events: events.rows.map(({ type }) => type),
  }
}

/** @returns `undefined` for a transaction that is there in part, or more than once. */
export function wholeness({ total, items, events }: State): 'all' | 'nothing' | undefined {
  if (total === undefined && items === 0 && events.length === 0) return 'nothing'
  if (total === 2 && items === 2 && events.join() === 'order.placed,item.added') return 'all'
  return undefined
}

export function findFaults(
  state: State,
  { ended, error, callbackEnded }: Ending,
  scenario: Scenario,
): string[] {
  const faults: string[] = []
  const whole = wholeness(state)
  if (whole === undefined) faults.push(describePart(state))
  if (ended === 'hangs') faults.push('transaction() hangs')
  if (!callbackEnded) faults.push('a statement of the callback hangs')
  if (ended === 'resolved' && whole !== 'all') faults.push('resolved, and not everything is there')
  if (ended === 'rejected' && whole !== 'nothing' && !isInCommit(scenario.moment))
    faults.push('rejected before COMMIT, and something is there')

  // How it rejects must tell the application what it may do.
  const code = isOutboxError(error) ? (error.code as string) : undefined
  if (ended === 'rejected' && whole === 'all' && code !== 'ERR_OUTBOX_COMMIT_UNKNOWN')
    faults.push(`committed, and rejected as if that were known: ${error}`)
  if (code === 'ERR_OUTBOX_TRANSACTION_LOST' && whole !== 'nothing')
    faults.push('lost, and something is there')
  if (code === 'ERR_OUTBOX_COMMIT_UNKNOWN' && !mayHaveSentCommit(scenario.moment))
    faults.push('says that COMMIT may have run, before it was sent')
  return faults
}

/** Whether the aggregate and the hooks have heard how it ended. */
export function findUntold(order: Order, whole: 'all' | 'nothing', resolved: unknown): string[] {
  const faults: string[] = []
  if (resolved !== undefined && resolved !== (whole === 'all' ? 'committed' : 'rolled-back'))
    faults.push(`${whole} is there, and resolveCommit says ${String(resolved)}`)
  const pending = order.pendingEvents.length
  if (pending !== (whole === 'all' ? 0 : 1))
    faults.push(`${whole} is there, and ${pending} events are pending`)
  if (order.hooks !== (whole === 'all' ? 1 : 0))
    faults.push(`${whole} is there, and ${order.hooks} hooks ran`)
  return faults
}

function describePart({ total, items, events }: State): string {
  const order = total === undefined ? 'no order' : `an order of ${total}`
  return `in part: ${order}, ${items} items, events: ${events.join(', ') || 'none'}`
}
