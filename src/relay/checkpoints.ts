import type { LogReader } from '../event-log/log-reader.js'

/** Up to here a window is published, and this is where the publisher then was. */
export interface Progress {
  readonly position: number
  readonly publisherState: string | undefined
}

/** Stores progress within a window while the next pages are published; of several waiting, only the last. */
export class Checkpoints {
  readonly #reader: LogReader
  #wanted: Progress | undefined
  #saving: Promise<void> | undefined
  #failure: { readonly error: unknown } | undefined

  constructor(reader: LogReader) {
    this.#reader = reader
  }

  /** @throws what storing an earlier one threw: whoever goes on without checkpoints would resend the window. */
  save(progress: Progress): void {
    if (this.#failure) throw this.#failure.error
    this.#wanted = progress
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
      const { position, publisherState } = this.#wanted
      this.#wanted = undefined
      await this.#reader.checkpoint(position, publisherState)
    }
    this.#saving = undefined
  }
}
