/** How long nobody publishes when a leader goes. */
import { once } from 'node:events'
import type { Crew } from './crew.js'

/** How the leader went. */
export type Departure = 'killed' | 'stopped'

interface Takeover {
  readonly departure: Departure
  /** From the signal to the leader to the lease of the next one. Milliseconds. */
  readonly leaseMs: number
  /** From the signal to the next one's first acknowledgement. Milliseconds; undefined: there was none for long. */
  readonly acknowledgedMs: number | undefined
  /** Something else was wrong at the time. */
  readonly disturbed: boolean
}

/** Milliseconds, of those that nothing else disturbed. */
export interface TakeoverFigures {
  readonly count: number
  readonly disturbed: number
  readonly leaseP50Ms: number
  readonly leaseP99Ms: number
  readonly leaseMaxMs: number
  readonly acknowledgedP50Ms: number
  readonly acknowledgedP99Ms: number
  readonly acknowledgedMaxMs: number
}

/** When something was wrong. */
export class Unrest {
  readonly #times: { readonly from: number; to: number }[] = []

  /** @returns a function that ends it. */
  begin(): () => void {
    const time = { from: Date.now(), to: Number.POSITIVE_INFINITY }
    this.#times.push(time)
    return () => {
      time.to = Date.now() + AFTERMATH_MS
    }
  }

  during(from: number, to: number): boolean {
    return this.#times.some((time) => time.from < to && time.to > from)
  }
}

/** Who was hit recovers for so long. */
const AFTERMATH_MS = 2000

export class Takeovers {
  readonly #takeovers: Takeover[] = []

  /** Sends the leader away, and waits for the next one. */
  async measure(
    departure: Departure,
    crew: Crew,
    unrest: readonly Unrest[],
    sendAway: () => Promise<unknown>,
  ): Promise<void> {
    const from = Date.now()
    const signal = AbortSignal.timeout(crew.leaseMs + PATIENCE_MS)
    const leads = once(crew, 'leads', { signal })
    const acknowledged = leads.then(() => once(crew, 'acknowledged', { signal }))
    const times = Promise.all([leads, acknowledged.catch(() => [undefined])]).catch(() => undefined)
    await sendAway()
    const [[leadsAt], [acknowledgedAt]] = (await times) ?? [[], []]
    if (leadsAt === undefined) return // the nemesis is at it again, or the drain will show
    this.#takeovers.push({
      departure,
      leaseMs: leadsAt - from,
      acknowledgedMs: acknowledgedAt && acknowledgedAt - from,
      disturbed: unrest.some((times) => times.during(from, acknowledgedAt ?? leadsAt)),
    })
  }

  figures(departure: Departure): TakeoverFigures {
    const all = this.#takeovers.filter((takeover) => takeover.departure === departure)
    const calm = all.filter(({ disturbed }) => !disturbed)
    const lease = calm.map(({ leaseMs }) => leaseMs).sort((a, b) => a - b)
    const acknowledged = calm.flatMap(({ acknowledgedMs = [] }) => acknowledgedMs).sort((a, b) => a - b)
    return {
      count: all.length,
      disturbed: all.length - calm.length,
      leaseP50Ms: percentile(lease, 0.5),
      leaseP99Ms: percentile(lease, 0.99),
      leaseMaxMs: percentile(lease, 1),
      acknowledgedP50Ms: percentile(acknowledged, 0.5),
      acknowledgedP99Ms: percentile(acknowledged, 0.99),
      acknowledgedMaxMs: percentile(acknowledged, 1),
    }
  }
}

const PATIENCE_MS = 2000

/** By nearest rank. */
function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0
}
