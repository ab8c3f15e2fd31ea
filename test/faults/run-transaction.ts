/** Runs a planned transaction through the product and enters into the journal what must be in the log. */
import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'drizzle-orm'
import { type DomainEvent, isOutboxError } from 'drizzle-outbox'
import { sqlState } from '../../src/event-log/database.js'
import type { Db, Tx } from '../support/outbox-databases.js'
import { Account, accountEvents } from './accounts.js'
import { type Journal, type JournalEntry, toEntry } from './journal.js'
import type { StepPlan, TransactionPlan } from './transaction-plan.js'

export interface Counts {
  commits: number
  aborts: number
  deadlocks: number
  savepointsRolledBack: number
}

export const noCounts = (): Counts => ({ commits: 0, aborts: 0, deadlocks: 0, savepointsRolledBack: 0 })

/** Rejects only for what was not planned. */
export async function runTransaction(
  db: Db,
  plan: TransactionPlan,
  journal: Journal,
  counts: Counts,
): Promise<void> {
  let kept: readonly JournalEntry[] = []
  try {
    await db.transaction(async (tx) => {
      kept = await carryOut(tx, plan, counts)
      endAsPlanned(tx, plan)
    })
  } catch (error) {
    if (isPlanned(error)) counts.aborts++
    else if (isDeadlock(error)) counts.deadlocks++
    else throw error
    return
  }
  counts.commits++
  journal.committed(kept)
}

/** @returns what must be in the log if the transaction commits. */
export async function carryOut(tx: Tx, plan: TransactionPlan, counts: Counts): Promise<JournalEntry[]> {
  const kept: JournalEntry[] = []
  if (plan.early) await tx.execute(sql`insert into notes values (1)`)
  if (plan.earlyMs > 0) await sleep(plan.earlyMs)
  for (const step of plan.steps) kept.push(...(await takeStep(tx, step, counts)))
  if (plan.commitMs > 0) await tx.execute(sql`insert into delays values (${plan.commitMs}::int)`)
  return kept
}

/** The last that a transaction does. */
export function endAsPlanned(tx: Tx, { ends }: TransactionPlan): void {
  if (ends === 'undone') throw new Undo()
  if (ends !== 'in conflict') return
  const account = new Account('of another time')
  account.note('never stored')
  tx.outbox.add(account, { expectedVersion: 1 })
}

/** Whether a transaction that failed was meant to. */
export function isPlanned(error: unknown): boolean {
  return error instanceof Undo || (isOutboxError(error) && error.code === 'ERR_OUTBOX_CONCURRENCY')
}

async function takeStep(tx: Tx, step: StepPlan, counts: Counts): Promise<JournalEntry[]> {
  if (step.savepoint === 'none') return change(tx, step)
  try {
    return await tx.transaction(async (savepoint) => {
      const entries = await change(savepoint, step)
      if (step.savepoint === 'rolled back') throw new Undo()
      return entries
    })
  } catch (error) {
    if (!(error instanceof Undo || isDeadlock(error))) throw error
    if (isDeadlock(error)) counts.deadlocks++
    counts.savepointsRolledBack++
    return []
  }
}

async function change(tx: Tx, step: StepPlan): Promise<JournalEntry[]> {
  const account = new Account(step.aggregateId)
  if (step.how === 'recorded after add') tx.outbox.add(account)
  for (const row of step.rows)
    await tx.execute(sql`update stock set n = n + 1 where id = ${String(row)}::text::int`)
  if (step.waitMs > 0) await sleep(step.waitMs)

  let events: readonly DomainEvent[]
  if (step.how === 'added one by one') {
    events = Array.from({ length: step.events }, (_, index) =>
      accountEvents.noted(step.aggregateId, { text: `${index} ${step.text}` }),
    )
    tx.outbox.add(...events)
  } else {
    for (let amount = 1; amount <= step.events; amount++) account.move(amount, step.text)
    events = account.pendingEvents
    if (step.how === 'recorded') tx.outbox.add(account)
  }
  return events.map(toEntry)
}

/** The application changes its mind. */
class Undo extends Error {}

function isDeadlock(error: unknown): boolean {
  return sqlState(error) === '40P01'
}
