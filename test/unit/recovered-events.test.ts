import type { RecordedEvent } from 'drizzle-outbox'
import { expect, it } from 'vitest'
import { RESEND_HORIZON, RecoveredEvents } from '../../src/relay/recovered-events.js'

const eventsOf = (...ids: string[]) => ids.map((id) => ({ id }) as RecordedEvent)

/** Of an earlier relay, which may have handed over what comes. */
function recoveredOf(...ids: string[]) {
  const recovered = new RecoveredEvents(true)
  recovered.found(new Set(ids))
  return recovered
}

it('leaves out what the destination has, each event once', () => {
  const recovered = recoveredOf('a', 'c')
  expect(recovered.missing(eventsOf('a', 'b', 'c'))).toEqual(eventsOf('b'))
  expect(recovered.passed).toBe(true)
  expect(recovered.missing(eventsOf('a'))).toEqual(eventsOf('a'))
})

it('knows what may have been handed over before up to the horizon, and no further', () => {
  const recovered = recoveredOf('a stranger’s')
  recovered.advance(RESEND_HORIZON - 1)
  recovered.found(new Set(['a stranger’s']))
  recovered.settled()
  expect(recovered).toMatchObject({ fresh: false, passed: false })
  recovered.advance(1)
  expect(recovered).toMatchObject({ fresh: true, passed: true })
})

it('takes everything for fresh when nothing can have been handed over', () => {
  expect(new RecoveredEvents()).toMatchObject({ fresh: true, passed: true })
  expect(recoveredOf()).toMatchObject({ fresh: false, passed: true })
})

it('looks at what it has handed over itself until that is settled, and no longer', () => {
  const recovered = new RecoveredEvents()
  recovered.advance(2)
  recovered.found(new Set(['long ago', 'a']))
  expect(recovered.missing(eventsOf('a', 'b'))).toEqual(eventsOf('b'))
  expect(recovered.passed).toBe(false)
  recovered.settled()
  expect(recovered).toMatchObject({ fresh: true, passed: true })
})
