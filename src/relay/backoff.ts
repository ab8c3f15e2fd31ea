/** Pauses that double from one failure to the next, with jitter, so that many relays do not come back as one. */
export class Backoff {
  readonly #minMs: number
  readonly #maxMs: number
  #failures = 0
  #doublings = 0

  constructor(minMs: number, maxMs: number) {
    this.#minMs = minMs
    this.#maxMs = maxMs
  }

  /** How many failures in a row. */
  get failures(): number {
    return this.#failures
  }

  /** Counts a failure. @returns the pause that follows it, in milliseconds. */
  fail(): number {
    this.#failures++
    return pauseAfter(this.#doublings++, this.#minMs, this.#maxMs)
  }

  /** There is reason to hope: the next pauses are short again. */
  hurry(): void {
    this.#doublings = 0
  }

  succeed(): void {
    this.#failures = 0
    this.#doublings = 0
  }
}

/** The pause that follows a failure, when so many came before it. */
export function pauseAfter(failures: number, minMs: number, maxMs: number): number {
  const full = Math.min(maxMs, minMs * 2 ** failures)
  return Math.ceil(full * (0.5 + Math.random() / 2))
}
