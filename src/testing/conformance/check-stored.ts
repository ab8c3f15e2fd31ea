import { cloudEventAttributes } from '../../cloudevents/attributes.js'
import type { RecordedEvent } from '../../events/domain-event.js'
import { aggregateOf, nameOf } from './describe-events.js'
import type { PublisherFeatures, StoredEvent } from './harness.js'

export interface Expected {
  /** All that may be there, in their order. */
  readonly events: readonly RecordedEvent[]
  /** Those that must be there. */
  readonly required: readonly RecordedEvent[]
}

/** What is wrong with what a destination holds, in words. */
export function faultsOf(
  stored: readonly StoredEvent[],
  { events, required }: Expected,
  { deduplicates, cloudEvents, totalOrder }: PublisherFeatures,
): string[] {
  const faults: string[] = []
  const known = new Map(events.map((event, index) => [event.id, { event, index }]))
  const seen = new Set<string>()
  const order = new ExpectedOrder(events)
  let last = 0
  for (const found of stored) {
    const expected = known.get(found.id)
    if (expected === undefined) {
      faults.push(`it holds an event that was not published to it, with id ${JSON.stringify(found.id)}`)
      continue
    }
    const { event, index } = expected
    const changed = changesOf(found, event, cloudEvents)
    if (changed.length > 0) faults.push(`${nameOf(event)} is changed: ${changed.join(', ')}`)
    if (seen.has(event.id)) {
      if (deduplicates) faults.push(`${nameOf(event)} is stored twice`)
      continue
    }
    seen.add(event.id)
    const place = order.next(event)
    if (place !== event) faults.push(`${nameOf(event)} is stored where ${place && nameOf(place)} belongs`)
    if (totalOrder && index < last) faults.push(`${nameOf(event)} is stored after a later event`)
    last = index
  }
  for (const event of required) if (!seen.has(event.id)) faults.push(`${nameOf(event)} is missing`)
  return faults
}

/** Of each aggregate, which event comes next. */
class ExpectedOrder {
  readonly #waiting = new Map<string, RecordedEvent[]>()

  constructor(events: readonly RecordedEvent[]) {
    for (const event of events.toReversed()) {
      const waiting = this.#waiting.get(aggregateOf(event))
      if (waiting === undefined) this.#waiting.set(aggregateOf(event), [event])
      else waiting.push(event)
    }
  }

  next(event: RecordedEvent): RecordedEvent | undefined {
    return this.#waiting.get(aggregateOf(event))?.pop()
  }
}

function changesOf(found: StoredEvent, event: RecordedEvent, cloudEvents: boolean): string[] {
  const changes: string[] = []
  const compare = (what: string, actual: unknown, expected: unknown) => {
    if (actual !== expected) changes.push(`${what} is ${shortened(actual)}, not ${shortened(expected)}`)
  }
  compare('aggregateId', found.aggregateId, event.aggregateId)
  compare('aggregateVersion', found.aggregateVersion, event.aggregateVersion)
  // Each byte as a character: text would hide bytes that are no UTF-8.
  compare('data', latin1(found.data), latin1(Buffer.from(event.data)))
  if (cloudEvents) {
    const [actual, expected] = [found.attributes ?? {}, cloudEventAttributes(event)]
    for (const name of new Set([...Object.keys(actual), ...Object.keys(expected)]))
      compare(`attribute ${name}`, actual[name], expected[name])
  }
  return changes
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1')
}

function shortened(value: unknown): string {
  if (typeof value !== 'string') return JSON.stringify(value) ?? 'absent'
  const text = JSON.stringify(value.slice(0, LONG))
  return value.length > LONG ? `${text}… (${value.length} characters)` : text
}

const LONG = 60
