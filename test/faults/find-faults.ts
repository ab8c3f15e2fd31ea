/** The checker: what was committed against what is in the log and what was delivered. */
import type { RecordedEvent } from 'drizzle-outbox'
import type { Deliveries } from './deliveries.js'
import type { Journal } from './journal.js'

/** Each a list of events; every list must be empty. */
export interface Faults {
  /** Committed or in the log, and never delivered. */
  readonly lost: readonly string[]
  /** Committed, and not in the log. */
  readonly unlogged: readonly string[]
  /** In the log or delivered, and not committed. */
  readonly phantom: readonly string[]
  readonly doubled: readonly string[]
  /** Not the version after the one delivered before, of its aggregate. */
  readonly outOfOrder: readonly string[]
  /** Not as it was recorded. */
  readonly changed: readonly string[]
}

export const noFaults: Faults = {
  lost: [],
  unlogged: [],
  phantom: [],
  doubled: [],
  outOfOrder: [],
  changed: [],
}

export function findFaults(
  { entries }: Journal,
  log: readonly RecordedEvent[],
  { first, doubled }: Deliveries,
): Faults {
  const logged = new Set(log.map(({ id }) => id))
  const delivered = [...first.values()]
  const expected = new Set([...entries.keys(), ...logged])
  return {
    lost: [...expected].filter((id) => !first.has(id)),
    unlogged: [...entries.keys()].filter((id) => !logged.has(id)),
    phantom: [...new Set([...logged, ...first.keys()])].filter((id) => !entries.has(id)),
    doubled: doubled.map(nameOf),
    outOfOrder: outOfOrder(delivered).map(nameOf),
    changed: delivered.filter((event) => !isAsRecorded(event)).map(nameOf),
  }

  function isAsRecorded(event: RecordedEvent): boolean {
    const entry = entries.get(event.id)
    return (
      entry === undefined || // a phantom, and reported as such
      (entry.data === event.data &&
        entry.type === event.type &&
        entry.aggregateId === event.aggregateId &&
        entry.occurredAt.getTime() === event.occurredAt.getTime() &&
        entry.correlationId === event.metadata.correlationId)
    )
  }
}

/** Versions must come as 1, 2, 3, … for each aggregate. */
export function outOfOrder(events: readonly RecordedEvent[]): RecordedEvent[] {
  const versions = new Map<string, number>()
  return events.filter(({ aggregateId, aggregateVersion }) => {
    const expected = (versions.get(aggregateId) ?? 0) + 1
    versions.set(aggregateId, aggregateVersion)
    return aggregateVersion !== expected
  })
}

function nameOf({ aggregateId, aggregateVersion, position }: RecordedEvent): string {
  return `${aggregateId} v${aggregateVersion} at ${position}`
}
