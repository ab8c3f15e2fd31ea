/** A wait that can be cut short. A wake that comes while nobody waits is kept for the next wait. */
export class WakeSignal {
  #woken = false
  #wake: (() => void) | undefined

  wake(): void {
    this.#woken = true
    this.#wake?.()
  }

  /** Call before looking for work: what is woken from here on ends the next wait. */
  reset(): void {
    this.#woken = false
  }

  /** @returns whether it was woken, rather than the time being up or `signal` aborted. */
  async wait(ms: number, signal: AbortSignal): Promise<boolean> {
    if (!this.#woken && !signal.aborted) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(done, ms)
        signal.addEventListener('abort', done)
        this.#wake = done
        function done() {
          clearTimeout(timer)
          signal.removeEventListener('abort', done)
          resolve()
        }
      })
      this.#wake = undefined
    }
    const woken = this.#woken
    this.#woken = false
    return woken
  }
}
