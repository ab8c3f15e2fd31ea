/** What one run of a program did with `tx.outbox`, each thing with the row of `marks` that went with it. */
import type { DomainEvent } from 'drizzle-outbox'
import { type Job, nextOrder } from './jobs.js'

/** With `row` in the table it counts; undefined: it was done before the transaction. */
interface Recorded {
  readonly event: DomainEvent
  readonly row: string | undefined
  readonly order: number
}

export interface Hook {
  readonly row: string
  runs: number
}

export class RecordOfAttempt {
  readonly hooks: Hook[] = []
  /** Checked aggregates as they were loaded, and what each expected. */
  readonly loaded = new Map<Job, number>()
  resolved = false
  readonly #recorded = new Map<Job, Recorded[]>()
  readonly #added = new Map<Job, string[]>()
  readonly #events: Recorded[] = []
  readonly #correlations: { readonly row: string; readonly id: string }[] = []

  /** What the aggregate holds from before counts as soon as it is added. */
  takesUp(job: Job): void {
    const before = job.pendingEvents.map((event) => ({ event, row: undefined, order: job.recordedAt(event) }))
    this.#recorded.set(job, before)
  }

  recorded(job: Job, event: DomainEvent, row: string): void {
    this.#recorded.get(job)!.push({ event, row, order: job.recordedAt(event) })
  }

  added(job: Job, row: string): void {
    this.#added.set(job, [...(this.#added.get(job) ?? []), row])
  }

  addedEvent(event: DomainEvent, row: string): void {
    this.#events.push({ event, row, order: nextOrder() })
  }

  correlated(id: string, row: string): void {
    this.#correlations.push({ row, id })
  }

  get jobs(): Job[] {
    return [...this.#recorded.keys()]
  }

  /** The events of this aggregate object that the log must hold, in order. */
  eventsOf(job: Job, isKept: (row: string) => boolean): DomainEvent[] {
    if (!this.#added.get(job)?.some(isKept)) return []
    const recorded = this.#recorded.get(job)!
    return recorded.filter(({ row }) => row === undefined || isKept(row)).map(({ event }) => event)
  }

  /** All events that the log must hold, in order. */
  expected(isKept: (row: string) => boolean): DomainEvent[] {
    const ofJobs = new Set(this.jobs.flatMap((job) => this.eventsOf(job, isKept)))
    const all = [...this.#recorded.values()].flat().filter(({ event }) => ofJobs.has(event))
    const byThemselves = this.#events.filter(({ row }) => isKept(row!))
    const inOrder = [...all, ...byThemselves].sort((a, b) => a.order - b.order)
    return [...new Set(inOrder.map(({ event }) => event))] // one that was added twice counts at its first place
  }

  /** The last one that stands is that of every event. */
  correlation(isKept: (row: string) => boolean): string | undefined {
    return this.#correlations.findLast(({ row }) => isKept(row))?.id
  }
}
