/** The nemesis at work: for each crew a hand for its relays and one for its links, and one for servers and writers. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Random } from '../../support/random.js'
import type { Cast } from './cast.js'
import { linkFaults } from './faults/links.js'
import { relayFaults } from './faults/relays.js'
import { serverFaults } from './faults/servers.js'
import type { Findings } from './findings.js'
import { type CrewScene, deal, type Fault, type Scene, type Survived, type Victim } from './nemesis.js'
import type { Site } from './site.js'
import { type Takeovers, Unrest } from './takeovers.js'

const allFaults = [...relayFaults, ...linkFaults, ...serverFaults]

export const namesOfFaults: readonly string[] = allFaults.map(({ name }) => name)

/** Those that come without being asked for. */
export const usualFaults: readonly string[] = allFaults
  .filter(({ weight }) => weight > 0)
  .map(({ name }) => name)

/** @returns the names of the usual faults that cannot be had here. */
export function impossibleFaults(site: Site): string[] {
  return allFaults.filter(({ possible }) => !(possible?.(site) ?? true)).map(({ name }) => name)
}

export interface StrikeOptions {
  /** For so long. Milliseconds. */
  readonly strikesMs: number
  readonly seed: number
  /** These alone, each as often as the others. Default: all, by their weights. */
  readonly faults?: readonly string[] | undefined
  /** Between two faults of a hand, at most. Default: so long that relays publish something. Milliseconds. */
  readonly pauseMs?: number
  /** Goes on until each has befallen, however slow the machine. Default: false. */
  readonly all?: boolean
}

export interface Records {
  readonly findings: Findings
  readonly takeovers: Takeovers
  readonly survived: Survived
  /** By kill -9. */
  readonly kills: Record<Victim, number>
}

/** Returns when everything is over that it has begun. */
export async function strike(
  site: Site,
  cast: Cast,
  options: StrikeOptions,
  records: Records,
): Promise<void> {
  const { writers, crews } = cast
  const { findings, takeovers, survived, kills } = records
  const random = new Random(options.seed)
  const time = AbortSignal.timeout(options.strikesMs)
  const astray = (count: number) => findings.note('astray', 'events in another stream', count)
  const killed = (victim: Victim) => void kills[victim]++
  const sceneOf = (...unrest: Unrest[]): Scene => ({
    site,
    writers,
    crews,
    takeovers,
    astray,
    killed,
    unrest,
    random: new Random(random.below(2 ** 32)),
  })
  const serversUnrest = new Unrest()
  const servers = {
    faults: chosen(serverFaults, options).filter(({ possible }) => possible?.(site) ?? true),
    all: options.all,
    scene: sceneOf(serversUnrest),
    unrest: serversUnrest,
    pauseMs: options.pauseMs ?? 1500,
  }
  const hands = crews.flatMap((crew) => {
    const unrests = [new Unrest(), new Unrest()] as const
    const hand = (faults: readonly Fault<CrewScene>[], unrest: Unrest, usualPauseMs: number) => {
      const { all, pauseMs = usualPauseMs } = options
      const scene = { ...sceneOf(serversUnrest, ...unrests), crew }
      return { faults: chosen(faults, options), all, scene, unrest, pauseMs }
    }
    return [hand(relayFaults, unrests[0], 2500), hand(linkFaults, unrests[1], 3000)]
  })
  await Promise.all([
    sleep(options.strikesMs),
    deal(servers, survived, time),
    ...hands.map((hand) => deal(hand, survived, time)),
  ])
}

function chosen<S extends Scene>(all: readonly Fault<S>[], { faults }: StrikeOptions): readonly Fault<S>[] {
  if (faults === undefined) return all.filter(({ weight }) => weight > 0)
  return all.filter(({ name }) => faults.includes(name)).map((fault) => ({ ...fault, weight: 1 }))
}
