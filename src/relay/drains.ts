/** Those who wait until everything that was committed when they asked is published. */
export class Drains {
  #waiting: Waiter[] = []

  /** @throws the reason of `signal`, or what {@link reject} is given. */
  wait(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason)
      const abort = () => waiter.reject(signal?.reason)
      const leave = () => {
        signal?.removeEventListener('abort', abort)
        this.#waiting = this.#waiting.filter((other) => other !== waiter)
      }
      const waiter: Waiter = {
        resolve: () => {
          leave()
          resolve()
        },
        reject: (error) => {
          leave()
          reject(error)
        },
      }
      signal?.addEventListener('abort', abort)
      this.#waiting.push(waiter)
    })
  }

  /** Those who wait now. Take them before looking at the log: who asks during the look has not been answered by it. */
  current(): readonly Waiter[] {
    return [...this.#waiting]
  }

  reject(error: unknown): void {
    for (const waiter of this.#waiting) waiter.reject(error)
  }
}

interface Waiter {
  resolve(): void
  reject(error: unknown): void
}
