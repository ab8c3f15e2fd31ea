/** What the programs record events for, and the tables that they write to. */
import { sql } from 'drizzle-orm'
import { AggregateRoot, type DomainEvent, defineEvents } from 'drizzle-outbox'
import { z } from 'zod'
import { migrate, type OpenDatabase } from '../../support/outbox-databases.js'

export const jobEvents = defineEvents('job', { done: z.object({ program: z.string(), mark: z.string() }) })

let happened = 0

/** In which order events are recorded and added, in this process. */
export function nextOrder(): number {
  return ++happened
}

export class Job extends AggregateRoot<typeof jobEvents> {
  readonly #recordedAt = new Map<DomainEvent, number>()

  constructor(id: string, version?: number) {
    super(jobEvents, id, { version })
  }

  /** @returns the event, which is among `pendingEvents`. */
  do(program: string, mark: string) {
    this.record('done', { program, mark })
    const event = this.pendingEvents.at(-1)!
    this.#recordedAt.set(event, nextOrder())
    return event
  }

  recordedAt(event: DomainEvent): number {
    return this.#recordedAt.get(event)!
  }
}

export async function createTables(database: OpenDatabase): Promise<void> {
  await migrate(database)
  await database.db.execute(sql`create table marks (id text primary key, program text not null)`)
}

/** The ids of all rows in `marks`. */
export async function marksIn({ db }: OpenDatabase): Promise<Set<string>> {
  const result = await db.execute(sql`select id from marks`)
  const rows = (Array.isArray(result) ? result : (result as { rows: unknown }).rows) as { id: string }[]
  return new Set(rows.map(({ id }) => id))
}
