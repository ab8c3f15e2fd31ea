import type { LogReader, Progress } from '../event-log/log-reader.js'

/** Stores progress within a window while the next pages are published; several that wait are stored as one. */
export class Checkpoints {
  readonly #reader: LogReader
  #wanted: Progress | undefined
  #saving: Promise<void> | undefined
  #failure: { readonly error: unknown } | undefined

  constructor(reader: LogReader) {
    this.#reader = reader
  }

  /** @throws what storing an earlier one threw: whoever goes on without checkpoints would resend the window. */
  save({ position, publisherState, setAside = [] }: Progress): void {
    if (this.#failure) throw this.#failure.error
    const before = this.#wanted?.setAside ?? []
    this.#wanted = { position, publisherState, setAside: [...before, ...setAside] }
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
      const progress = this.#wanted
      this.#wanted = undefined
      await this.#reader.checkpoint(progress)
    }
    this.#saving = undefined
  }
}
