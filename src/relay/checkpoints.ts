import type { LogReader } from '../event-log/log-reader.js'

/** Stores the page position within a window while the next page is published; of several waiting, only the last. */
export class Checkpoints {
  readonly #reader: LogReader
  #wanted: number | undefined
  #saving: Promise<void> | undefined

  constructor(reader: LogReader) {
    this.#reader = reader
  }

  save(position: number): void {
    this.#wanted = position
    this.#saving ??= this.#save()
    this.#saving.catch(() => {}) // thrown by flush
  }

  /** Waits until everything is stored. @throws what storing it threw. */
  async flush(): Promise<void> {
    await this.#saving
  }

  async #save(): Promise<void> {
    while (this.#wanted !== undefined) {
      const position = this.#wanted
      this.#wanted = undefined
      await this.#reader.checkpoint(position)
    }
    this.#saving = undefined
  }
}
