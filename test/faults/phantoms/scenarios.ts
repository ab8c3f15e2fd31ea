/** All scenarios there are, and a choice of them for every day. */
import type { Random } from '../../support/random.js'
import { busy, idle, type Moment, onTheWire } from './moments.js'
import type { Scenario } from './scenario.js'
import type { Blow } from './world.js'

const POOLS = [1, 3]
/** At once, and when other work has made the pool connect anew. */
const PATIENCE_MS = [0, 30]

export function allScenarios(blows: readonly Blow[]): Scenario[] {
  const moments: readonly Moment[] = [...idle, ...onTheWire, ...busy]
  return blows.flatMap((blow) =>
    moments.flatMap((moment) =>
      [false, true].flatMap((stubborn) =>
        POOLS.flatMap((max) =>
          (moment.kind === 'wire' ? [0] : PATIENCE_MS).map((patienceMs) => ({
            blow,
            moment,
            stubborn,
            max,
            patienceMs,
          })),
        ),
      ),
    ),
  )
}

/** One for each blow at each moment. */
export function oneOfEach(random: Random, scenarios: readonly Scenario[]): Scenario[] {
  const groups = new Map<string, Scenario[]>()
  for (const scenario of scenarios) {
    const key = `${scenario.blow} ${scenario.moment.name}`
    groups.set(key, [...(groups.get(key) ?? []), scenario])
  }
  return [...groups.values()].map((group) => random.pick(group))
}
