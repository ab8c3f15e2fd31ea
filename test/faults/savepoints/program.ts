/** Random programs of nested savepoints, planned before they run: a seed gives the same ones again. */
import type { Random } from '../../support/random.js'

export interface Program {
  readonly name: string
  readonly aggregates: readonly AggregatePlan[]
  /** So many times the whole transaction fails in the end, and is run again. */
  readonly retries: number
  readonly body: readonly Step[]
  readonly ends: 'committed' | 'thrown'
}

/** Steps name an aggregate by its place in `Program.aggregates`: two places may be one aggregate, as two objects. */
export interface AggregatePlan {
  readonly id: string
  /** Other programs record for it at the same time. */
  readonly shared: boolean
  /** Is loaded with its version, which the flush then checks. */
  readonly checked: boolean
  /** Events that it has recorded when the transaction begins. */
  readonly before: number
}

/**
 * Everything that concerns events comes with a row of its own in `marks`. `through` and `rowThrough` choose among the
 * handles that are open, from 0, the transaction's, to just below 1, the innermost savepoint's.
 */
export type Step =
  | (Marked & { readonly kind: 'events'; readonly aggregate: number; readonly count: number })
  | (Marked & { readonly kind: 'known event' })
  | (Marked & {
      readonly kind: 'aggregate'
      readonly aggregate: number
      readonly does: readonly ('record' | 'add')[]
    })
  | (Marked & { readonly kind: 'hook' })
  | (Marked & { readonly kind: 'metadata' })
  | { readonly kind: 'fail'; readonly through: number; readonly caught: boolean }
  | { readonly kind: 'throw' }
  | {
      readonly kind: 'savepoint'
      readonly through: number
      readonly body: readonly Step[]
      readonly ends: 'released' | 'thrown'
      /** Whether the caller goes on when it was rolled back. */
      readonly caught: boolean
    }

interface Marked {
  readonly through: number
  readonly rowThrough: number
  readonly row: 'before' | 'after' | 'meanwhile'
}

const MAX_DEPTH = 4
const SHARED_AGGREGATES = 6

export function planProgram(random: Random, name: string): Program {
  const aggregates = random.times(2 + random.below(3), (index) => planAggregate(random, name, index))
  return {
    name,
    aggregates,
    retries: random.chance(0.3) ? 1 + random.below(2) : 0,
    body: planBody(random, aggregates.length, 0),
    ends: random.chance(0.1) ? 'thrown' : 'committed',
  }
}

function planAggregate(random: Random, program: string, index: number): AggregatePlan {
  const shared = random.chance(0.35)
  const own = `${program}/${random.chance(0.2) ? 0 : index}`
  return {
    id: shared ? `shared/${random.below(SHARED_AGGREGATES)}` : own,
    shared,
    checked: random.chance(shared ? 0.05 : 0.3),
    before: random.chance(0.4) ? 1 + random.below(2) : 0,
  }
}

function planBody(random: Random, aggregates: number, depth: number): Step[] {
  return random.times(1 + random.below(depth === 0 ? 6 : 4), () => planStep(random, aggregates, depth))
}

function planStep(random: Random, aggregates: number, depth: number): Step {
  const through = random.chance(0.6) ? 0.99 : random.next()
  const chance = random.next()
  if (chance < 0.3 && depth < MAX_DEPTH)
    return {
      kind: 'savepoint',
      through,
      body: planBody(random, aggregates, depth + 1),
      ends: random.chance(0.35) ? 'thrown' : 'released',
      caught: random.chance(0.85),
    }
  if (chance < 0.33) return { kind: 'throw' }
  if (chance < 0.36) return { kind: 'fail', through, caught: random.chance(0.3) }

  const rowThrough = random.chance(0.6) ? 0.99 : random.next()
  const marked: Marked = { through, rowThrough, row: random.pick(['before', 'after', 'meanwhile']) }
  const aggregate = random.below(aggregates)
  if (chance < 0.44) return { ...marked, kind: 'hook' }
  if (chance < 0.48) return { ...marked, kind: 'metadata' }
  if (chance < 0.52) return { ...marked, kind: 'known event' }
  if (chance < 0.65) return { ...marked, kind: 'events', aggregate, count: 1 + random.below(2) }
  const does = random.pick([['record', 'add'], ['add', 'record'], ['record'], ['add']] as const)
  return { ...marked, kind: 'aggregate', aggregate, does }
}
