/** Pauses that double from one failure to the next, with jitter, so that many relays do not come back as one. */
export class Backoff {
  readonly #minMs: number
  readonly #maxMs: number
  #failures = 0

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
    const full = Math.min(this.#maxMs, this.#minMs * 2 ** this.#failures++)
    return Math.ceil(full * (0.5 + Math.random() / 2))
  }

  succeed(): void {
    this.#failures = 0
  }
}
