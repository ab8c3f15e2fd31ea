/** What the writers know to be committed: the truth that everything else is judged by. */
import type { DomainEvent } from 'drizzle-outbox'

export interface JournalEntry {
  readonly id: string
  readonly type: string
  readonly aggregateId: string
  readonly occurredAt: Date
  readonly correlationId: string | undefined
  readonly extensions: Readonly<Record<string, string>>
  /** JSON text, taken when the event was recorded. */
  readonly data: string
}

export class Journal {
  readonly entries = new Map<string, JournalEntry>()

  /** Call once `transaction` has resolved, with the events that its transaction should have stored. */
  committed(entries: readonly JournalEntry[]): void {
    for (const entry of entries) this.entries.set(entry.id, entry)
  }
}

export function toEntry(event: DomainEvent): JournalEntry {
  const { id, type, aggregateId, occurredAt, metadata, data } = event
  const { correlationId } = metadata
  const extensions = Object.fromEntries(
    Object.entries(metadata.extensions ?? {}).map(([name, value]) => [name, String(value)]),
  )
  return { id, type, aggregateId, occurredAt, correlationId, extensions, data: JSON.stringify(data) }
}
