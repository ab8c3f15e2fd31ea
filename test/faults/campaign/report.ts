/** What a campaign has found out. */
import type { CampaignOptions } from './campaign.js'
import type { Cast } from './cast.js'
import type { KindOfFinding } from './findings.js'
import type { Victim } from './nemesis.js'
import type { Site } from './site.js'
import { impossibleFaults, type Records } from './strike.js'
import type { TakeoverFigures } from './takeovers.js'
import type { Wrote } from './writers.js'

export interface Report {
  readonly seed: number
  readonly natsServer: string
  readonly strikesSeconds: number
  readonly leaseMs: number
  /** In the log. */
  readonly events: number
  /** What became of the transactions, as their writers know. */
  readonly transactions: Omit<Wrote, 'events'>
  /** How often each fault has befallen. */
  readonly faults: Readonly<Record<string, number>>
  /** By kill -9, whatever the fault. */
  readonly kills: Readonly<Record<Victim, number>>
  /** Those that this machine does not permit. */
  readonly impossible: readonly string[]
  /** Each must be 0. */
  readonly findings: Readonly<Record<KindOfFinding, number>>
  readonly examples: readonly string[]
  /** Events that a relay would have stored again, or did try to. */
  readonly deduplicated: number
  readonly takeovers: { readonly killed: TakeoverFigures; readonly stopped: TakeoverFigures }
  /** The largest resident memory of a relay. MiB. */
  readonly relayPeakMiB: number
  /** From the end of the last fault until the relays had come to the end of the log. */
  readonly drainSeconds: number
  /** Why relays paused, and how often. */
  readonly pauses: Readonly<Record<string, number>>
  readonly ok: boolean
}

interface Outcome extends CampaignOptions {
  readonly site: Site
  readonly cast: Cast
  readonly records: Records
  readonly events: number
  readonly drainedMs: number
}

export function createReport({ site, cast, records, ...outcome }: Outcome): Report {
  const { crews, writers } = cast
  const { findings, takeovers, survived, kills } = records
  const { events: _, ...transactions } = writers.figures
  const pauses: Record<string, number> = {}
  for (const crew of crews)
    for (const [reason, count] of crew.pauses) pauses[reason] = (pauses[reason] ?? 0) + count
  return {
    seed: outcome.seed,
    natsServer: site.nats.version,
    strikesSeconds: outcome.strikesMs / 1000,
    leaseMs: crews[0]?.leaseMs ?? 0,
    events: outcome.events,
    transactions,
    faults: Object.fromEntries(Object.entries(survived).sort(([a], [b]) => (a < b ? -1 : 1))),
    kills,
    impossible: impossibleFaults(site),
    findings: { ...findings.counts },
    examples: findings.examples,
    deduplicated: crews.reduce((sum, { figures }) => sum + figures.deduplicated, 0),
    takeovers: { killed: takeovers.figures('killed'), stopped: takeovers.figures('stopped') },
    relayPeakMiB: Math.round(Math.max(...crews.map(({ figures }) => figures.peakBytes)) / 2 ** 20),
    drainSeconds: outcome.drainedMs / 1000,
    pauses,
    ok: findings.none,
  }
}
