import type { DomainEvent } from '../events/domain-event.js'

type Listener = (events: readonly DomainEvent[]) => void

/** Tells relays in this process that events were committed, a hint: polling finds them as well. And who counts them. */
export class CommitSignal {
  readonly #listeners = new Set<Listener>()

  /** @returns a function that ends the subscription. */
  subscribe(listener: Listener): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  notify(events: readonly DomainEvent[]): void {
    for (const listener of this.#listeners) listener(events)
  }
}
