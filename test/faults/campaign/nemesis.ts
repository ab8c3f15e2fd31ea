/** Deals out faults: each hand one after the other, all hands at the same time. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Random } from '../../support/random.js'
import type { Crew } from './crew.js'
import type { Site } from './site.js'
import type { Takeovers, Unrest } from './takeovers.js'
import type { Writers } from './writers.js'

export type Victim = 'relays' | 'nats-server' | 'writers'

/** What a fault can get at. */
export interface Scene {
  readonly site: Site
  readonly writers: Writers
  readonly crews: readonly Crew[]
  readonly random: Random
  readonly takeovers: Takeovers
  /** Of the servers, and of this crew. */
  readonly unrest: readonly Unrest[]
  /** Takes the number of events that another stream got. */
  astray(count: number): void
  /** Notes a kill -9. */
  killed(victim: Victim): void
}

export interface CrewScene extends Scene {
  readonly crew: Crew
}

/** Over when its promise resolves: what it broke is mended by then, though not everybody may know yet. */
export interface Fault<S extends Scene = Scene> {
  readonly name: string
  /** How often it comes, beside the others. 0: only when it is asked for by name. */
  readonly weight: number
  /** A change of leaders is all that it brings about. */
  readonly calm?: boolean
  /** Whether it can be had on this machine. Default: everywhere. */
  readonly possible?: (site: Site) => boolean
  befall(scene: S): Promise<unknown>
}

/** How often each fault has befallen. */
export type Survived = Record<string, number>

export interface Hand<S extends Scene> {
  readonly faults: readonly Fault<S>[]
  /** It goes on until each of them has befallen. */
  readonly all: boolean | undefined
  readonly scene: S
  readonly unrest: Unrest
  /** Between two faults, at most. Milliseconds. */
  readonly pauseMs: number
}

/** Until `time` is up, and what has begun is over. */
export async function deal<S extends Scene>(
  { faults, all, scene, unrest, pauseMs }: Hand<S>,
  survived: Survived,
  time: AbortSignal,
): Promise<void> {
  const { random } = scene
  const missing = () => all && faults.some(({ name }) => survived[name] === undefined)
  let deck: Fault<S>[] = []
  while (faults.length > 0 && (!time.aborted || missing())) {
    // Like cards: a short campaign, too, meets each as often as it should.
    if (deck.length === 0)
      deck = shuffle(
        faults.flatMap((fault) => Array(fault.weight || 1).fill(fault)),
        random,
      )
    const fault = deck.pop()!
    const over = fault.calm ? () => {} : unrest.begin()
    await fault.befall(scene)
    over()
    survived[fault.name] = (survived[fault.name] ?? 0) + 1
    await sleep(random.below(pauseMs), undefined, { signal: time }).catch(() => {})
  }
}

function shuffle<T>(cards: readonly T[], random: Random): T[] {
  return cards
    .map((card) => ({ card, at: random.next() }))
    .sort((a, b) => a.at - b.at)
    .map(({ card }) => card)
}
