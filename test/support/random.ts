/** Random numbers that a seed gives again. */

export class Random {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  /** From 0 to 1, without 1. (mulberry32) */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let t = this.#state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }

  /** A whole number from 0, below `end`. */
  below(end: number): number {
    return Math.floor(this.next() * end)
  }

  chance(probability: number): boolean {
    return this.next() < probability
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)] as T
  }

  /** So many things, one after the other. */
  times<T>(count: number, make: (index: number) => T): T[] {
    return Array.from({ length: count }, (_, index) => make(index))
  }
}

/**
 * The seed of every random test: the same in each run, so that none fails by chance, or `OUTBOX_TEST_SEED`, which is a
 * number or `random`. It belongs in the name of the test that uses it.
 */
export const runSeed = toSeed(process.env.OUTBOX_TEST_SEED ?? '1')

function toSeed(text: string): number {
  if (text === 'random') return Date.now() % 1_000_000
  if (/^\d+$/.test(text)) return Number(text)
  throw new Error(`OUTBOX_TEST_SEED is a number or 'random', not '${text}'`)
}
