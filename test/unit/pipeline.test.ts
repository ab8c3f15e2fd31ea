import { OutboxError, type RecordedEvent } from 'drizzle-outbox'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { PublishError } from '../../src/publishers/jetstream/broker-errors.js'
import { publishPage, type Send } from '../../src/publishers/jetstream/pipeline.js'

const unavailable = () => new OutboxError('ERR_OUTBOX_UNAVAILABLE', 'gone', {})
const refused = (event: RecordedEvent) =>
  new OutboxError('ERR_OUTBOX_EVENT_REFUSED', 'no', { eventId: event.id })

/** Events of a few aggregates, each with what becomes of it and how long that takes. */
const fates = fc.array(
  fc.record({
    aggregateId: fc.constantFrom('a', 'b', 'c', 'd'),
    fate: fc.oneof(
      { weight: 20, arbitrary: fc.constant('stored' as const) },
      { weight: 3, arbitrary: fc.constant('duplicate' as const) },
      { weight: 2, arbitrary: fc.constant('refused' as const) },
      { weight: 1, arbitrary: fc.constant('unavailable' as const) },
    ),
    turns: fc.nat(5),
  }),
  { maxLength: 60 },
)

const eventsOf = (ids: readonly string[]) =>
  ids.map((aggregateId, index) => ({ id: String(index), aggregateType: 'x', aggregateId }) as RecordedEvent)

describe('publishPage', () => {
  it('sends an aggregate one event after the other, nothing after one that failed, within the window', async () => {
    await fc.assert(
      fc.asyncProperty(fates, fc.integer({ min: 1, max: 6 }), async (plan, window) => {
        const events = eventsOf(plan.map(({ aggregateId }) => aggregateId))
        const acknowledged: RecordedEvent[] = []
        const failed = new Set<string>()
        const flying = new Set<string>()
        const send: Send = async (event, settle) => {
          const { fate, turns } = plan[Number(event.id)] as (typeof plan)[number]
          expect(flying).not.toContain(event.aggregateId)
          expect(failed).not.toContain(event.aggregateId)
          flying.add(event.aggregateId)
          expect(flying.size).toBeLessThanOrEqual(window)
          for (let i = 0; i < turns; i++) await new Promise(setImmediate)
          flying.delete(event.aggregateId)
          let result: 'stored' | 'duplicate' | PublishError
          if (fate === 'refused') result = refused(event)
          else if (fate === 'unavailable') result = unavailable()
          else result = fate
          if (typeof result === 'string') acknowledged.push(event)
          else failed.add(event.aggregateId)
          settle(result)
        }
        const { signal } = new AbortController()
        const outcome = await publishPage(events, send, { window, signal, maySend: () => true })

        expect(flying.size).toBe(0)
        expect(outcome.unacknowledged).toEqual(events.filter((event) => !acknowledged.includes(event)))
        expect(outcome.duplicates).toBe(
          acknowledged.filter(({ id }) => plan[Number(id)]?.fate === 'duplicate').length,
        )
        expect(outcome.unavailable === undefined && outcome.refused.length === 0).toBe(failed.size === 0)
        for (const id of ['a', 'b', 'c', 'd']) {
          const positions = acknowledged
            .filter((event) => event.aggregateId === id)
            .map((event) => Number(event.id))
          const all = events.filter((event) => event.aggregateId === id).map((event) => Number(event.id))
          expect(positions).toEqual(all.slice(0, positions.length))
          // Only what its own aggregate failed at is held back, unless the destination is gone.
          if (!failed.has(id) && outcome.unavailable === undefined) expect(positions).toEqual(all)
        }
      }),
      { numRuns: 500 },
    )
  })

  it('resolves when nothing can be sent, also when sending settles at once', async () => {
    const { signal } = new AbortController()
    const events = eventsOf(['a', 'b', 'a'])
    const options = { window: 2, signal, maySend: () => true }
    expect(await publishPage([], () => {}, options)).toMatchObject({ unacknowledged: [] })
    expect(await publishPage(events, (_, settle) => settle('stored'), options)).toMatchObject({
      unacknowledged: [],
    })
    expect(await publishPage(events, (_, settle) => settle(unavailable()), options)).toMatchObject({
      unacknowledged: events,
    })
    expect(await publishPage(events, () => {}, { ...options, maySend: () => false })).toMatchObject({
      unacknowledged: events,
    })
  })

  it('gives up what is in flight when it is aborted, and takes no later answer for it', async () => {
    const controller = new AbortController()
    const settles: (() => void)[] = []
    const sent: string[] = []
    const events = eventsOf(['a', 'b', 'a'])
    const send: Send = (event, settle) => {
      sent.push(event.id)
      settles.push(() => settle('stored'))
    }
    const outcome = publishPage(events, send, { window: 5, signal: controller.signal, maySend: () => true })
    settles[1]?.()
    controller.abort()
    expect((await outcome).unacknowledged.map(({ id }) => id)).toEqual(['0', '2'])
    settles[0]?.()
    expect(sent).toEqual(['0', '1'])
  })
})
