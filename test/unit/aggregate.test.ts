import { AggregateRoot, createRecorder, defineEvents } from 'drizzle-outbox'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'

const events = defineEvents('order', { placed: z.object({ total: z.int() }), shipped: z.object({}) })

class Order extends AggregateRoot<typeof events> {
  constructor(id: string, version?: number) {
    super(events, id, { version })
  }
  place(total: number) {
    this.record('placed', { total })
  }
}

const recorder = (version?: number) => {
  const recorder = createRecorder(events, '1', { version })
  return { recorder, place: (total: number) => recorder.record('placed', { total }) }
}
const root = (version?: number) => {
  const order = new Order('1', version)
  return { recorder: order, place: (total: number) => order.place(total) }
}

describe.each([
  ['createRecorder', recorder],
  ['AggregateRoot', root],
])('%s', (_, make) => {
  it('keeps what it records until it is committed, and reading does not clear', () => {
    const { recorder, place } = make()
    place(1)
    place(2)
    expect(recorder.pendingEvents.map(({ data }) => data)).toEqual([{ total: 1 }, { total: 2 }])
    expect(recorder.pendingEvents).toHaveLength(2)
  })

  it('forgets exactly the events that were committed, and moves its version if it has one', () => {
    const { recorder, place } = make(3)
    place(1)
    const committed = recorder.pendingEvents
    place(2)
    recorder.eventsCommitted(4, committed)
    expect(recorder.pendingEvents.map(({ data }) => data)).toEqual([{ total: 2 }])
    expect(recorder.version).toBe(4)

    const unversioned = make()
    unversioned.recorder.eventsCommitted(4, [])
    expect(unversioned.recorder.version).toBeUndefined()
  })

  it('refuses a version that is no count', () => {
    for (const version of ['1' as never, -1, 1.5])
      expect(() => make(version)).toThrow(expect.objectContaining({ code: 'ERR_OUTBOX_OPTION_INVALID' }))
  })

  it('records nothing that is invalid', () => {
    const { recorder, place } = make()
    expect(() => place(1.5)).toThrow(expect.objectContaining({ code: 'ERR_OUTBOX_EVENT_INVALID' }))
    expect(recorder.pendingEvents).toEqual([])
  })

  it('is stale once events were rolled back under it, and keeps the others', () => {
    const { recorder, place } = make()
    place(1)
    const kept = recorder.pendingEvents
    place(2)
    recorder.eventsRolledBack?.(recorder.pendingEvents.slice(1))
    expect(recorder.pendingEvents).toEqual(kept)
    expect(() => place(3)).toThrow(expect.objectContaining({ code: 'ERR_OUTBOX_AGGREGATE_STALE' }))
  })
})
