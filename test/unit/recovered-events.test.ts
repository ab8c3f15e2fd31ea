import type { RecordedEvent } from 'drizzle-outbox'
import { expect, it } from 'vitest'
import { RESEND_HORIZON, RecoveredEvents } from '../../src/relay/recovered-events.js'

const eventsOf = (...ids: string[]) => ids.map((id) => ({ id }) as RecordedEvent)

it('leaves out what the destination has, each event once', () => {
  const recovered = new RecoveredEvents(new Set(['a', 'c']), true)
  expect(recovered.missing(eventsOf('a', 'b', 'c'))).toEqual(eventsOf('b'))
  expect(recovered.passed).toBe(true)
  expect(recovered.missing(eventsOf('a'))).toEqual(eventsOf('a'))
})

it('knows what may have been handed over before up to the horizon, and no further', () => {
  const recovered = new RecoveredEvents(new Set(['a stranger’s']), true)
  recovered.advance(RESEND_HORIZON - 1)
  expect(recovered).toMatchObject({ fresh: false, passed: false })
  recovered.advance(1)
  expect(recovered).toMatchObject({ fresh: true, passed: true })
})

it('takes everything for fresh when nothing can have been handed over', () => {
  expect(new RecoveredEvents()).toMatchObject({ fresh: true, passed: true })
  expect(new RecoveredEvents(new Set(), true)).toMatchObject({ fresh: false, passed: true })
})
