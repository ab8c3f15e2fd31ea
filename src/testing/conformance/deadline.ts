import { fail } from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'

/** Ends a case that gets nowhere, and says where that was. */
export class Deadline {
  readonly #ms: number
  readonly #at: number

  constructor(ms: number) {
    this.#ms = ms
    this.#at = performance.now() + ms
  }

  /** What `work` comes to. */
  async settled<T>(what: string, work: Promise<T>): Promise<T> {
    const ended = new AbortController()
    const left = Math.max(0, this.#at - performance.now())
    const late = sleep(left, undefined, { signal: ended.signal })
    late.catch(() => {}) // ended in time
    try {
      return await Promise.race([work, late.then(() => this.#fail(what))])
    } finally {
      ended.abort()
    }
  }

  check(what: string): void {
    if (performance.now() > this.#at) this.#fail(what)
  }

  #fail(what: string): never {
    fail(`the case took longer than ${this.#ms} ms: ${what} goes on`)
  }
}
