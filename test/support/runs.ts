/** How often a property is tried: so many times or `OUTBOX_TEST_RUNS`, whichever is more. `OUTBOX_TEST_SEED` repeats a run. */
export function runs(atLeast: number): { readonly numRuns: number; readonly seed?: number } {
  const { OUTBOX_TEST_RUNS = 0, OUTBOX_TEST_SEED } = process.env
  const numRuns = Math.max(atLeast, Number(OUTBOX_TEST_RUNS))
  return OUTBOX_TEST_SEED === undefined ? { numRuns } : { numRuns, seed: Number(OUTBOX_TEST_SEED) }
}
