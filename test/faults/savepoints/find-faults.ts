/** The checker of savepoint programs: the rows that SQL kept say what must be in the log. */
import type { recordedEvents } from 'drizzle-outbox/testing'
import type { RecordOfAttempt } from './record-of-attempt.js'
import type { Outcome } from './run-program.js'

type RecordedEvent = Awaited<ReturnType<typeof recordedEvents>>[number]

/** Each a list of programs and events; every list must be empty. */
export interface SavepointFaults {
  /** In the log, and its row was rolled back. */
  readonly phantom: string[]
  /** Not in the log, and its row is in the table. */
  readonly missing: string[]
  readonly doubled: string[]
  /** Not in the order recorded. */
  readonly misordered: string[]
  /** Not the version after the one before, of its aggregate; or not the one that was checked. */
  readonly versions: string[]
  /** A hook that ran other than once for a row in the table, or at all for another. */
  readonly hooks: string[]
  readonly metadata: string[]
  /** Aggregates that still hold what is in the log, or know another version. */
  readonly aggregates: string[]
  readonly surprises: string[]
}

export const noSavepointFaults = (): SavepointFaults => ({
  phantom: [],
  missing: [],
  doubled: [],
  misordered: [],
  versions: [],
  hooks: [],
  metadata: [],
  aggregates: [],
  surprises: [],
})

/** `log` is everything there is, `rows` the ids in `marks`. */
export function findSavepointFaults(
  outcomes: readonly Outcome[],
  log: readonly RecordedEvent[],
  rows: ReadonlySet<string>,
): SavepointFaults {
  const faults = noSavepointFaults()
  const byProgram = new Map<string, RecordedEvent[]>()
  for (const event of log) {
    const { program } = event.data as { program: string }
    byProgram.set(program, [...(byProgram.get(program) ?? []), event])
  }
  faults.versions.push(...outOfVersion(log).map(({ aggregateId, id }) => `${aggregateId}: ${id}`))
  for (const { program, attempts, surprises } of outcomes) {
    const logged = byProgram.get(program.name) ?? []
    byProgram.delete(program.name)
    const found = attempts.flatMap((attempt) => checkAttempt(program.name, attempt, logged, rows, faults))
    const expected = new Set(found)
    const ids = logged.map(({ id }) => id)
    for (const id of ids) if (!expected.has(id)) faults.phantom.push(`${program.name}: ${id}`)
    if (new Set(ids).size < ids.length || expected.size < found.length) faults.doubled.push(program.name)
    if (found.join() !== ids.filter((id) => expected.has(id)).join()) faults.misordered.push(program.name)
    faults.surprises.push(...surprises.map((surprise) => `${program.name}: ${surprise}`))
  }
  faults.phantom.push(...byProgram.keys())
  return faults
}

/** @returns the ids that it must have put into the log. */
function checkAttempt(
  program: string,
  attempt: RecordOfAttempt,
  logged: readonly RecordedEvent[],
  rows: ReadonlySet<string>,
  faults: SavepointFaults,
): string[] {
  const isKept = (row: string) => rows.has(row)
  const inLog = new Map(logged.map((event) => [event.id, event]))
  const expected = attempt.expected(isKept).map(({ id }) => id)
  const correlation = attempt.correlation(isKept)
  for (const id of expected) {
    const event = inLog.get(id)
    if (event === undefined) faults.missing.push(`${program}: ${id}`)
    else if (event.metadata.correlationId !== correlation) faults.metadata.push(`${program}: ${id}`)
  }
  for (const { row, runs } of attempt.hooks) {
    if (runs !== (isKept(row) ? 1 : 0)) faults.hooks.push(`${row} ran ${runs} times`)
  }
  for (const job of attempt.jobs) {
    const stored = attempt.eventsOf(job, isKept).flatMap(({ id }) => inLog.get(id) ?? [])
    const [first] = stored
    if (first === undefined) continue
    const expectedVersion = attempt.loaded.get(job)
    if (expectedVersion !== undefined) {
      if (first.aggregateVersion !== expectedVersion + 1) faults.versions.push(`${program}: ${first.id}`)
      if (job.version !== stored.at(-1)!.aggregateVersion) faults.aggregates.push(`${program}: ${job.id}`)
    }
    if (job.pendingEvents.some(({ id }) => inLog.has(id))) faults.aggregates.push(`${program}: ${job.id}`)
  }
  return expected
}

/** Versions must come as 1, 2, 3, … for each aggregate. */
function outOfVersion(log: readonly RecordedEvent[]): RecordedEvent[] {
  const versions = new Map<string, number>()
  return log.filter(({ aggregateId, aggregateVersion }) => {
    const expected = (versions.get(aggregateId) ?? 0) + 1
    versions.set(aggregateId, aggregateVersion)
    return aggregateVersion !== expected
  })
}
