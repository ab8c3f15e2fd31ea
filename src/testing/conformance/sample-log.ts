import { randomUUID } from 'node:crypto'
import type { RecordedEvent } from '../../events/domain-event.js'

/** Makes events as the log of an application holds them. */
export class SampleLog {
  #position = 0
  readonly #versions = new Map<string, number>()

  event(aggregateId: string, fields: Partial<RecordedEvent> = {}): RecordedEvent {
    const { aggregateType = 'sample' } = fields
    const aggregate = JSON.stringify([aggregateType, aggregateId])
    const aggregateVersion = (this.#versions.get(aggregate) ?? 0) + 1
    this.#versions.set(aggregate, aggregateVersion)
    const position = ++this.#position
    return {
      id: randomUUID(),
      type: 'sample.noted',
      schemaVersion: 1,
      aggregateType,
      aggregateId,
      aggregateVersion,
      position,
      source: '/conformance',
      occurredAt: new Date(FIRST_DAY + position),
      data: `{"position":${position}}`,
      metadata: {},
      ...fields,
    }
  }

  /** So many events, of so many aggregates in turn: now one after the other, now several of the same. */
  events(count: number, aggregates: number): RecordedEvent[] {
    return Array.from({ length: count }, (_, index) => {
      const turn = Math.floor(index / (1 + (index % 3)))
      return this.event(`aggregate ${turn % aggregates}`)
    })
  }
}

const FIRST_DAY = Date.UTC(2026, 0, 1)
