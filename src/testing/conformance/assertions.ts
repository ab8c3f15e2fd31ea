import assert from 'node:assert/strict'
import { isOutboxError, type OutboxErrorCode } from '../../errors.js'
import type { RecordedEvent } from '../../events/domain-event.js'
import { listOf, nameOf } from './describe-events.js'

/** The same events in the same order. */
export function assertSame(
  what: string,
  actual: readonly RecordedEvent[],
  expected: readonly RecordedEvent[],
): void {
  const [found, wanted] = [actual.map(nameOf), expected.map(nameOf)]
  assert.deepEqual(found, wanted, `${what}: ${listOf(found)}; expected: ${listOf(wanted)}`)
}

export async function assertRejects(
  what: string,
  work: Promise<unknown>,
  code: OutboxErrorCode,
): Promise<void> {
  const came = await work.then(
    () => 'nothing',
    (error: unknown) => (isOutboxError(error) ? error.code : error),
  )
  assert.ok(came === code, `${what} must reject with ${code}, and rejects with ${came}`)
}
