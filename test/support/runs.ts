import { runSeed } from './random.js'

/** How often a property is tried: so many times or `OUTBOX_TEST_RUNS`, whichever is more, from the seed of this run. */
export function runs(atLeast = 100): { readonly numRuns: number; readonly seed: number } {
  return { numRuns: Math.max(atLeast, Number(process.env.OUTBOX_TEST_RUNS ?? 0)), seed: runSeed }
}
