/** Random transactions, planned before they run: a seed gives the same plans however the transactions interleave. */
import type { Random } from '../support/random.js'
import { STOCK_ROWS } from './accounts.js'

export interface TransactionPlan {
  /** Writes, and so has its transaction id, before it touches anything that others wait for. */
  readonly early: boolean
  readonly earlyMs: number
  readonly steps: readonly StepPlan[]
  /** How long COMMIT itself takes, beyond what it needs. */
  readonly commitMs: number
  readonly ends: 'commits' | 'undone' | 'in conflict'
}

export interface StepPlan {
  readonly aggregateId: string
  readonly events: number
  readonly how: 'recorded' | 'recorded after add' | 'added one by one'
  readonly savepoint: 'none' | 'released' | 'rolled back'
  /** Rows of `stock` to update, in this order: two transactions in opposite order deadlock. */
  readonly rows: readonly number[]
  readonly waitMs: number
  /** Of its events. */
  readonly text: string
}

export interface Mix {
  readonly aggregates: number
  /** The most of a step. */
  readonly events: number
  /** The share of steps that others may wait for. */
  readonly conflicts: number
}

const CROWDED: Mix = { aggregates: 20, events: 3, conflicts: 0.4 }

export function planTransaction(random: Random, mix = CROWDED): TransactionPlan {
  const early = random.chance(0.5)
  return {
    early,
    earlyMs: early && random.chance(0.5) ? random.below(12) : 0,
    steps: random.times(1 + random.below(3), () => planStep(random, mix)),
    commitMs: random.chance(0.05) ? 30 + random.below(150) : random.chance(0.5) ? 1 + random.below(10) : 0,
    ends: random.chance(0.85) ? 'commits' : random.chance(0.7) ? 'undone' : 'in conflict',
  }
}

function planStep(random: Random, { aggregates, events, conflicts }: Mix): StepPlan {
  return {
    aggregateId: `a${random.below(aggregates)}`,
    events: 1 + random.below(events),
    how: random.pick(['recorded', 'recorded after add', 'added one by one']),
    savepoint: random.chance(0.75) ? 'none' : random.pick(['released', 'rolled back']),
    rows: random.chance(conflicts) ? random.times(2, () => random.below(STOCK_ROWS)) : [],
    waitMs: random.chance(0.3) ? random.below(6) : 0,
    text: `"quoted" ünïcödé 💶 \\ \n${'·'.repeat(random.below(200))}`,
  }
}
