/** Tells relays in this process that events were committed. A hint: polling finds them as well. */
export class CommitSignal {
  readonly #listeners = new Set<() => void>()

  /** @returns a function that ends the subscription. */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  notify(): void {
    for (const listener of this.#listeners) listener()
  }
}
