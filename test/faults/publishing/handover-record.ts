/** A publisher, and the ids of the events that it was given, in the order in which it got each for the first time. */
import type { Publisher } from 'drizzle-outbox'
import { overriding } from '../../support/publishers.js'

export class HandoverRecord {
  readonly publisher: Publisher
  readonly #ids = new Set<string>()

  constructor(publisher: Publisher) {
    this.publisher = overriding(publisher, {
      publish: (events, options) => {
        for (const { id } of events) this.#ids.add(id)
        return publisher.publish(events, options)
      },
    })
  }

  get ids(): readonly string[] {
    return [...this.#ids]
  }
}
