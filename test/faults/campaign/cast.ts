/** Who takes part in a campaign: a crew of relays for each stream, and the writers. */
import { once } from 'node:events'
import { Random } from '../../support/random.js'
import type { Ordering } from '../publishing/campaign.js'
import type { Bug } from './bugs.js'
import { Crew } from './crew.js'
import { bundlePrograms } from './programs.js'
import type { Site } from './site.js'
import { Writers } from './writers.js'

export interface CastOptions {
  readonly seed: number
  readonly bug?: Bug | undefined
  /** A crew for each, with a stream of its own. Default: each twice. */
  readonly orderings?: readonly Ordering[]
  /** Of each crew. Default: 2. */
  readonly relays?: number
  /** Events per second. Default: 1200. */
  readonly rate?: number
  /** Of each writer, for 6 transactions at a time. Default: 4, so that some wait, and a lost one is soon replaced. */
  readonly connections?: number
  /** Default: 64. */
  readonly aggregates?: number
  /** Default: 1200. Milliseconds. */
  readonly leaseMs?: number
  /** Default: 400. Milliseconds. */
  readonly publishTimeoutMs?: number
  /** Default: 500. Milliseconds. */
  readonly maxPollMs?: number
  /** Default: by the seed. */
  readonly batchSize?: number
  /** Whether a commit tells relays of itself. Default: true. */
  readonly notify?: boolean
}

export interface Cast {
  readonly crews: readonly Crew[]
  readonly writers: Writers
}

/** Resolves when each crew has a leader. */
export async function assemble(site: Site, options: CastOptions): Promise<Cast> {
  const { seed, leaseMs = 1200, publishTimeoutMs = 400, maxPollMs = 500 } = options
  const { relays = 2, rate = 1200, aggregates = 64, notify = true, connections = 4 } = options
  const programs = await bundlePrograms(site.folder, options.bug)
  const random = new Random(seed)
  const crews = await Promise.all(
    site.streams.map(({ name: stream, ordering }) => {
      const { batchSize = 20 + random.below(480) } = options
      const window = 1 + random.below(256)
      const listens = ordering === 'aggregate'
      const settings = { stream, ordering, leaseMs, publishTimeoutMs, maxPollMs, batchSize, window, listens }
      return Crew.muster(site, programs.relay, relays, settings)
    }),
  )
  const led = crews.map((crew) => once(crew, 'leads', { signal: AbortSignal.timeout(60_000) }))
  const settings = { count: 2, seed, rate, aggregates, notify, connections }
  const writers = await Writers.start(site, programs.writer, settings)
  const cast = { crews, writers }
  try {
    await Promise.all(led)
    return cast
  } catch {
    await dismiss(cast)
    const reasons = crews.flatMap(({ pauses, figures }) => [...pauses.keys(), ...figures.crashes.slice(0, 1)])
    throw new Error(`there is a crew of which nobody leads: ${reasons.join('; ')}`)
  }
}

/** Whatever was broken works again, and nobody writes any more. */
export async function calm({ crews, writers }: Cast): Promise<void> {
  for (const slot of crews.flatMap(({ slots }) => slots)) slot.heal()
  writers.heal()
  await writers.finish(WRITERS_PATIENCE_MS)
}

export async function dismiss({ crews, writers }: Cast): Promise<void> {
  await Promise.all([writers.finish(0), ...crews.map((crew) => crew.dismiss())])
}

/** A COMMIT whose connection was lost may be asked after for so long. */
const WRITERS_PATIENCE_MS = 40_000
