import { randomUUID } from 'node:crypto'
import { OutboxError } from '../errors.js'
import { safeText } from '../foreign-errors.js'
import { type AnyEvents, DEFAULT_MAX_EVENT_BYTES, isSchemaVersion, MAX_NAME, MAX_TYPE } from './definition.js'
import type { DomainEvent } from './domain-event.js'
import { isStorable } from './json.js'
import { checkMetadata, type Metadata } from './metadata.js'
import { assertJson, validateData } from './validate.js'

let recorded = 0

/** The order in which this process records events and opens savepoints: whatever comes later has a higher number. */
export function nextOrdinal(): number {
  return ++recorded
}

/**
 * A recorded event with what the flush needs: the JSON text as of the moment of recording, so that what was validated
 * is what gets stored, and the ordinal that tells which savepoint it belongs to.
 */
class EventRecord<T extends string = string, D = unknown> implements DomainEvent<T, D> {
  readonly #json: string
  readonly #ordinal = nextOrdinal()

  constructor(
    readonly id: string,
    readonly type: T,
    readonly schemaVersion: number,
    readonly aggregateType: string,
    readonly aggregateId: string,
    readonly occurredAt: Date,
    readonly data: D,
    readonly metadata: Metadata,
    readonly dataschema: string | undefined,
    json: string,
  ) {
    this.#json = json
    Object.freeze(this)
  }

  static is(event: DomainEvent): event is EventRecord {
    return #json in event
  }
  static jsonOf(event: EventRecord): string {
    return event.#json
  }
  static ordinalOf(event: EventRecord): number {
    return event.#ordinal
  }
}

export type { EventRecord }

/** The text to store. */
export const jsonOf = EventRecord.jsonOf
export const ordinalOf = EventRecord.ordinalOf

/** Validates the data and makes the event. Everything that can be wrong with an event is found here. */
export function recordEvent(
  events: AnyEvents,
  name: string,
  aggregateId: string,
  data: unknown,
  metadata: Metadata = {},
): EventRecord {
  const { aggregate, prefix, maxEventBytes, definitions } = events['~outbox']
  const definition = definitions.get(name)
  if (!definition)
    throw new OutboxError('ERR_OUTBOX_EVENT_UNKNOWN', `${prefix} has no event ${JSON.stringify(name)}`, {
      type: `${prefix}.${name}`,
    })
  checkAggregateId(aggregate, aggregateId)
  const output = validateData(definition, data)
  return new EventRecord(
    randomUUID(),
    definition.type,
    definition.spec.version,
    aggregate,
    aggregateId,
    new Date(),
    output,
    checkMetadata(metadata),
    definition.spec.dataschema,
    encodeData(definition.type, output, maxEventBytes),
  )
}

/** Events that were put together by hand, by what we made of them when we first saw them. */
const adopted = new WeakMap<DomainEvent, EventRecord>()

/** An event made by our creators as it is; one put together by hand once it is seen to be whole. */
export function toEventRecord(event: DomainEvent): EventRecord {
  if (EventRecord.is(event)) return event
  const record = adopted.get(event) ?? adoptEvent(event)
  adopted.set(event, record)
  return record
}

function adoptEvent(event: DomainEvent): EventRecord {
  const { id, type, schemaVersion, aggregateType, aggregateId, occurredAt, data } = event
  if (
    !UUID.test(id) ||
    !isTypeName(type) ||
    !isName(aggregateType) ||
    !isSchemaVersion(schemaVersion) ||
    !isTimestamp(occurredAt)
  )
    throw new OutboxError('ERR_OUTBOX_EVENT_INVALID', `not an event: ${safeText(String(type))}`, {
      type: String(type),
      issues: [
        {
          message:
            'needs a UUID as id, an aggregateType of up to 63 characters, a type of as many between dots and 255 in all, a schemaVersion from 1 to 32767 and a date in occurredAt',
          path: [],
        },
      ],
    })
  checkAggregateId(aggregateType, aggregateId)
  assertJson(type, data)
  return new EventRecord(
    id,
    type,
    schemaVersion,
    aggregateType,
    aggregateId,
    occurredAt,
    data,
    checkMetadata(event.metadata),
    undefined,
    encodeData(type, data, DEFAULT_MAX_EVENT_BYTES),
  )
}

/** As long as one of a definition may be: it goes into a subject, where a character may take nine. */
function isName(value: unknown): boolean {
  return typeof value === 'string' && value !== '' && value.length <= MAX_NAME && isStorable(value)
}

function isTypeName(value: unknown): boolean {
  return typeof value === 'string' && value.length <= MAX_TYPE && value.split('.').every(isName)
}

/** RFC 3339, the format of CloudEvents `time`, has years of four digits. */
function isTimestamp(value: unknown): boolean {
  return value instanceof Date && value.getUTCFullYear() >= 1 && value.getUTCFullYear() <= 9999
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i
const MAX_AGGREGATE_ID = 512

/** An id is a key in the database, a CloudEvents `subject` and a header: text that all of them can carry. */
export function checkAggregateId(aggregateType: string, aggregateId: string): void {
  if (typeof aggregateId === 'string' && aggregateId !== '' && aggregateId.length <= MAX_AGGREGATE_ID)
    if (isStorable(aggregateId)) return
  throw new OutboxError(
    'ERR_OUTBOX_AGGREGATE_ID_INVALID',
    `the id of ${aggregateType} must be a string of 1 to ${MAX_AGGREGATE_ID} characters without \\u0000 or half a surrogate pair`,
    { aggregateType },
  )
}

function encodeData(type: string, data: unknown, maxEventBytes: number): string {
  const json = JSON.stringify(data)
  const bytes = Buffer.byteLength(json)
  if (bytes > maxEventBytes)
    throw new OutboxError(
      'ERR_OUTBOX_EVENT_TOO_LARGE',
      `${type}: the data is ${bytes} bytes, the limit (maxEventBytes) is ${maxEventBytes}`,
      { type, bytes, maxEventBytes },
    )
  return json
}
