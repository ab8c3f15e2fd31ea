/** A broker in memory with every fault that a case can ask for. It answers later, as brokers do. */
import { cloudEventAttributes, type RecordedEvent } from 'drizzle-outbox'
import type { DestinationFaults, StoredEvent } from 'drizzle-outbox/testing'

export type Answer =
  /** An event that was stored has a sequence from 1; a duplicate that of the first copy. */
  | { readonly is: 'stored'; readonly sequence: number; readonly duplicate: boolean }
  | { readonly is: 'refused' }
  /** The broker does not end where that was asked for. */
  | { readonly is: 'misplaced' }

export const MAX_BYTES = 100_000

export class ModelBroker {
  /** Which one it is of those that had its name. */
  incarnation = 0
  stored: RecordedEvent[] = []
  readonly #ids = new Map<string, number>()
  readonly #lost = new Set<string>()
  readonly #waiting = new Set<(lost: Error) => void>()
  readonly #listeners = new Set<() => void>()
  #down = false
  #empty = false
  #held: (() => void)[] | undefined

  /** Rejects when the connection is lost on the way there or back. Never answers an event that got lost. */
  send(event: RecordedEvent, expectedLast?: number): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (this.#down) return reject(new Error('the broker is down'))
      this.#waiting.add(reject)
      setImmediate(() => {
        if (!this.#waiting.has(reject) || this.#lost.delete(event.id)) return
        const answer = this.#take(event, expectedLast)
        const deliver = () => {
          if (this.#waiting.delete(reject)) resolve(answer)
        }
        if (this.#held) this.#held.push(deliver)
        else setImmediate(deliver)
      })
    })
  }

  #take(event: RecordedEvent, expectedLast: number | undefined): Answer {
    if (this.#empty) return { is: 'stored', sequence: 0, duplicate: true }
    const known = this.#ids.get(event.id)
    if (known !== undefined) return { is: 'stored', sequence: known, duplicate: true }
    if (event.data.length > MAX_BYTES) return { is: 'refused' }
    if (expectedLast !== undefined && expectedLast !== this.stored.length) return { is: 'misplaced' }
    const sequence = this.stored.push(event)
    this.#ids.set(event.id, sequence)
    return { is: 'stored', sequence, duplicate: false }
  }

  /** What there is after a sequence. */
  async idsAfter(sequence: number): Promise<string[]> {
    await this.ping()
    return this.stored.slice(sequence).map(({ id }) => id)
  }

  async ping(): Promise<void> {
    await new Promise(setImmediate)
    if (this.#down) throw new Error('the broker is down')
  }

  /** Calls it at the end of every outage, until it is told not to. */
  onBack(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  #cut(): void {
    for (const reject of this.#waiting) reject(new Error('the connection was lost'))
    this.#waiting.clear()
  }

  static read({ stored }: ModelBroker): StoredEvent[] {
    return stored.map((event) => ({
      id: event.id,
      aggregateId: event.aggregateId,
      aggregateVersion: event.aggregateVersion,
      data: Buffer.from(event.data),
      attributes: cloudEventAttributes(event),
    }))
  }

  static readonly faults: DestinationFaults<ModelBroker> = {
    refuse: (event) => ({ ...event, data: JSON.stringify('x'.repeat(MAX_BYTES)) }),
    outage: async (broker) => {
      await broker.ping() // what has been sent is half way there
      broker.#down = true
      broker.#cut()
      return () => {
        broker.#down = false
        for (const listener of broker.#listeners) listener()
      }
    },
    cut: (broker) => broker.#cut(),
    lose: (broker, id) => void broker.#lost.add(id),
    holdAnswers: (broker) => {
      broker.#held = []
      return () => {
        const held = broker.#held ?? []
        broker.#held = undefined
        for (const deliver of held) deliver()
      }
    },
    emptyAnswers: (broker) => {
      broker.#empty = true
      return () => {
        broker.#empty = false
      }
    },
    forget: (broker) => {
      broker.incarnation++
      broker.stored = []
      broker.#ids.clear()
    },
  }
}
