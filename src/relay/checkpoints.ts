import type { LogReader } from '../event-log/log-reader.js'

/** Stores the page position within a window while the next page is published; of several waiting, only the last. */
export class Checkpoints {
  readonly #reader: LogReader
  #wanted: number | undefined
  #saving: Promise<void> | undefined
  #failure: { readonly error: unknown } | undefined

  constructor(reader: LogReader) {
    this.#reader = reader
  }

  /** @throws what storing an earlier position threw: whoever goes on without checkpoints would resend the window. */
  save(position: number): void {
    if (this.#failure) throw this.#failure.error
    this.#wanted = position
    this.#saving ??= this.#save().catch((error: unknown) => {
      this.#failure = { error }
    })
  }

  /** Waits until everything is stored. @throws what storing it threw. */
  async flush(): Promise<void> {
    await this.#saving
    if (this.#failure) throw this.#failure.error
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
