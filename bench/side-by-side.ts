/** Runs variants in turn, round after round, and prints medians and their ratio to the first: the machine is noisy. */
export interface Variant {
  readonly name: string
  /** @returns how many of whatever is counted it did in a second. */
  run(round: number): Promise<number>
}

export async function sideBySide(unit: string, variants: readonly Variant[], rounds: number): Promise<void> {
  const rates = new Map<Variant, number[]>(variants.map((variant) => [variant, []]))
  for (let round = 0; round < rounds; round++)
    for (const variant of variants) rates.get(variant)?.push(await variant.run(round))
  const [first] = variants
  const base = first ? median(rates.get(first) ?? []) : 1
  console.table(
    variants.map((variant) => {
      const all = rates.get(variant) ?? []
      const rate = median(all)
      return {
        variant: variant.name,
        [unit]: Math.round(rate),
        ratio: Number((rate / base).toPrecision(3)),
        min: Math.round(Math.min(...all)),
        max: Math.round(Math.max(...all)),
      }
    }),
  )
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}

/** Things done in a second. */
export async function rateOf(count: number, work: () => Promise<unknown>): Promise<number> {
  const started = performance.now()
  await work()
  return (count / (performance.now() - started)) * 1000
}
