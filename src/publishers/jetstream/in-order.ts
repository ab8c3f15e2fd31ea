/** Hands values on in the order in which they came, though some are still being made. */
export class InOrder {
  #last: Promise<void> | undefined

  /** Calls `take` at once when nothing is waited for. What is waited for must not reject. */
  hand<T>(value: T | Promise<T>, take: (value: T) => void): void {
    if (this.#last === undefined && !(value instanceof Promise)) {
      take(value)
      return
    }
    const taken: Promise<void> = Promise.all([value, this.#last]).then(([made]) => {
      if (this.#last === taken) this.#last = undefined
      take(made)
    })
    this.#last = taken
  }
}
