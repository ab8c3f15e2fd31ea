import { OutboxError, transactionLost } from '../errors.js'
import { type Appended, appendEvents } from '../event-log/append.js'
import type { EventLog } from '../event-log/database.js'
import { aggregateKey, type NewEvent } from '../event-log/new-event.js'
import type { DomainEvent } from '../events/domain-event.js'
import { checkMetadataSize, type Metadata, mergeMetadata } from '../events/metadata.js'
import { type EventRecord, jsonOf, toEventRecord } from '../events/record-event.js'
import type { Enlisted } from './journal.js'

/** What a transaction has stored. */
export interface Flushed {
  /** Each event with its aggregate version. */
  readonly versions: ReadonlyMap<EventRecord, number>
  readonly transactionId: string | undefined
}

export const NOTHING_FLUSHED: Flushed = { versions: new Map(), transactionId: undefined }

/**
 * Stores the events in their order.
 *
 * @throws `ERR_OUTBOX_TRANSACTION_LOST` when this is not the transaction any more, `ERR_OUTBOX_METADATA_INVALID` when an
 * event's metadata and that of its transaction are too much together.
 */
export async function flushEvents(
  log: EventLog,
  events: readonly [EventRecord, ...EventRecord[]],
  common: readonly Metadata[],
  fence: string | undefined,
): Promise<Flushed> {
  const [first, ...others] = events
  const rows = others.map((event) => toNewEvent(event, common))
  const { heads, transactionId } = await appendEvents(log, [toNewEvent(first, common), ...rows], fence)
  if (heads.size === 0) throw transactionLost()
  return { versions: versionsOf(events, heads), transactionId }
}

export function versionOf(event: DomainEvent, { versions }: Flushed): number {
  return versions.get(toEventRecord(event)) as number
}

/**
 * An aggregate's first event must follow the version that it was loaded at. Another object for the same aggregate may
 * come before it in the transaction, and is then part of what this one was loaded from.
 *
 * @throws `ERR_OUTBOX_CONCURRENCY`
 */
export function checkVersions(enlisted: readonly Enlisted[], flushed: Flushed): void {
  for (const { expectedVersion, events } of enlisted) {
    const [first] = events
    if (first === undefined || expectedVersion === undefined) continue
    const actualVersion = versionOf(first, flushed) - 1
    if (actualVersion === expectedVersion) continue
    const { aggregateType, aggregateId } = first
    throw new OutboxError(
      'ERR_OUTBOX_CONCURRENCY',
      `${aggregateType} ${aggregateId} is at version ${actualVersion}, not ${expectedVersion}: load it again and retry`,
      { aggregateType, aggregateId, expectedVersion, actualVersion },
    )
  }
}

/** As the log numbers them: heads hold the version of each aggregate's last one. */
function versionsOf(events: readonly EventRecord[], heads: Appended['heads']): Map<EventRecord, number> {
  const next = new Map(heads)
  const versions = new Map<EventRecord, number>()
  for (const event of events.toReversed()) {
    const key = aggregateKey(event.aggregateType, event.aggregateId)
    const version = next.get(key) ?? 0
    versions.set(event, version)
    next.set(key, version - 1)
  }
  return versions
}

function toNewEvent(event: EventRecord, common: readonly Metadata[]): NewEvent {
  const { id, aggregateType, aggregateId, type, schemaVersion, occurredAt, dataschema } = event
  const merged = mergeMetadata(...common, event.metadata)
  checkMetadataSize(merged)
  const metadata = { ...merged, dataschema }
  return { id, aggregateType, aggregateId, type, schemaVersion, occurredAt, data: jsonOf(event), metadata }
}
