import assert from 'node:assert/strict'
import { isOutboxError, type OutboxErrorCode } from '../../errors.js'
import type { RecordedEvent } from '../../events/domain-event.js'
import type { PublishOutcome } from '../../publishers/publisher.js'
import { aggregateOf, listOf, nameOf } from './describe-events.js'

/** What holds of every outcome. */
export function checkOutcome(events: readonly RecordedEvent[], outcome: PublishOutcome): void {
  const { unacknowledged, duplicates, refused, unavailable, fenced, state } = outcome
  checkSelection(events, unacknowledged)
  const acknowledged = events.length - unacknowledged.length
  assert.ok(
    Number.isInteger(duplicates) && duplicates >= 0 && duplicates <= acknowledged,
    `duplicates: ${duplicates}, of ${acknowledged} acknowledged events`,
  )
  if (unavailable !== undefined) checkCode('unavailable', unavailable, 'ERR_OUTBOX_UNAVAILABLE')
  if (fenced !== undefined) checkCode('fenced', fenced, 'ERR_OUTBOX_FENCED')
  for (const error of refused) checkCode('refused', error, 'ERR_OUTBOX_EVENT_REFUSED')
  assert.ok(state === undefined || typeof state === 'string', 'state is neither text nor left out')
  checkRefused(events, outcome)
}

function checkSelection(events: readonly RecordedEvent[], unacknowledged: readonly RecordedEvent[]): void {
  let from = 0
  for (const event of unacknowledged) {
    const index = events.indexOf(event)
    assert.notEqual(index, -1, `unacknowledged has an event that was not given: ${nameOf(event)}`)
    assert.ok(
      index >= from,
      `unacknowledged is not in the order given: ${nameOf(event)} comes too late, or twice`,
    )
    from = index + 1
  }
}

function checkCode(field: string, error: Error, code: OutboxErrorCode): void {
  assert.ok(isOutboxError(error) && error.code === code, `${field} is not an OutboxError ${code}: ${error}`)
}

/** What was refused is unacknowledged, and so is what follows it in its aggregate. */
function checkRefused(events: readonly RecordedEvent[], { unacknowledged, refused }: PublishOutcome): void {
  const left = new Set(unacknowledged)
  for (const { details } of refused) {
    const first = events.findIndex(({ id }) => id === details.eventId)
    const event = events[first]
    if (event === undefined) assert.fail(`refused names an event that was not given: ${details.eventId}`)
    const later = events.slice(first).filter((other) => aggregateOf(other) === aggregateOf(event))
    const acknowledged = later.filter((other) => !left.has(other)).map(nameOf)
    assert.deepEqual(
      acknowledged,
      [],
      `${nameOf(event)} was refused, and acknowledged: ${listOf(acknowledged)}`,
    )
  }
}
