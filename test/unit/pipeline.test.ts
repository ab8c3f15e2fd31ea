import { OutboxError, type RecordedEvent } from 'drizzle-outbox'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { PublishError } from '../../src/publishers/jetstream/broker-errors.js'
import { Chain } from '../../src/publishers/jetstream/chain.js'
import { Lanes } from '../../src/publishers/jetstream/lanes.js'
import type { Entry } from '../../src/publishers/jetstream/open-page.js'
import { type Order, Pipeline, type Send } from '../../src/publishers/jetstream/pipeline.js'
import type { Ack } from '../../src/publishers/jetstream/pub-ack.js'
import type { PublishOptions, PublishOutcome } from '../../src/publishers/publisher.js'
import { runs } from '../support/runs.js'

/** What becomes of an event at its first attempt. */
const FATES = ['stored', 'refused', 'refused unsent', 'unavailable', 'stored, answer lost'] as const

const plans = fc.record({
  events: fc.array(
    fc.record({
      aggregateId: fc.constantFrom('a', 'b', 'c', 'd'),
      fate: fc.oneof(...FATES.map((fate, i) => ({ weight: i === 0 ? 40 : 1, arbitrary: fc.constant(fate) }))),
    }),
    { maxLength: 80 },
  ),
  pageSize: fc.integer({ min: 1, max: 25 }),
  window: fc.integer({ min: 1, max: 12 }),
  answersAtATime: fc.integer({ min: 1, max: 9 }),
})
type Plan = typeof plans extends fc.Arbitrary<infer T> ? T : never

const eventsOf = (ids: readonly string[]) =>
  ids.map(
    (aggregateId, index) =>
      ({ id: String(index), position: index, aggregateType: 'x', aggregateId }) as RecordedEvent,
  )

const refused = ({ id }: RecordedEvent) => new OutboxError('ERR_OUTBOX_EVENT_REFUSED', 'no', { eventId: id })
const unavailable = () => new OutboxError('ERR_OUTBOX_UNAVAILABLE', 'gone', {})

/** A stream as a server keeps it. */
class ModelStream {
  readonly stored: RecordedEvent[] = []
  readonly #fates: Map<RecordedEvent, (typeof FATES)[number]>

  constructor(plan: Plan, events: readonly RecordedEvent[]) {
    this.#fates = new Map(events.map((event, index) => [event, plan.events[index]!.fate]))
  }

  refusesUnsent(event: RecordedEvent): boolean {
    return this.#fates.get(event) === 'refused unsent' && this.#fates.delete(event)
  }

  answer({ event, expectedLast }: Entry): Ack | PublishError {
    const known = this.stored.indexOf(event)
    if (known !== -1) return { seq: known + 1, duplicate: true }
    if (expectedLast !== undefined && expectedLast !== this.stored.length)
      return new OutboxError('ERR_OUTBOX_FENCED', 'wrong last sequence', { stream: 'S', brokerCode: 10071 })
    const fate = this.#fates.get(event) ?? 'stored'
    this.#fates.delete(event)
    if (fate === 'refused') return refused(event)
    if (fate !== 'unavailable') this.stored.push(event)
    return fate === 'stored' ? { seq: this.stored.length, duplicate: false } : unavailable()
  }
}

/** Publishes as the relay does: two pages at a time, and what they leave again, after a look at the stream. */
async function publishAll(plan: Plan, makeOrder: (lastSequence: number) => Order) {
  const events = eventsOf(plan.events.map(({ aggregateId }) => aggregateId))
  const stream = new ModelStream(plan, events)
  let flying: Entry[] = []
  const send: Send = (entry) => {
    if (stream.refusesUnsent(entry.event)) return refused(entry.event)
    entry.bytes = 1
    flying.push(entry)
    expect(flying.length).toBeLessThanOrEqual(plan.window)
    return undefined
  }
  const begin = () => {
    flying = []
    return new Pipeline(makeOrder(stream.stored.length), send, {
      window: plan.window,
      windowBytes: 1000,
      lastSequence: stream.stored.length,
      stateOf: String,
    })
  }
  let pipeline = begin()
  let left: readonly RecordedEvent[] = events
  const reported: PublishOutcome[] = []
  while (left.length > 0) {
    const pages = Array.from({ length: Math.ceil(left.length / plan.pageSize) }, (_, i) =>
      left.slice(i * plan.pageSize, (i + 1) * plan.pageSize),
    )
    const outcomes: PublishOutcome[] = []
    let open = 0
    const troubled = () => outcomes.some(({ unacknowledged }) => unacknowledged.length > 0)
    while (open > 0 || (pages.length > 0 && !troubled())) {
      if (open < 2 && pages[0] !== undefined && !troubled()) {
        open++
        const page = pipeline.publish(pages.shift()!, always)
        void page.then((outcome) => {
          open--
          outcomes.push(outcome)
        })
      } else
        for (const entry of flying.splice(0, plan.answersAtATime))
          entry.page.pipeline.settle(entry, stream.answer(entry))
      await Promise.resolve()
    }
    reported.push(...outcomes)
    const failed = outcomes.some((outcome) => outcome.unavailable ?? outcome.fenced)
    if (failed) pipeline = begin()
    const unacknowledged = new Set(outcomes.flatMap((outcome) => outcome.unacknowledged))
    const rest = new Set(pages.flat())
    left = left.filter(
      (event) => rest.has(event) || (unacknowledged.has(event) && !(failed && stream.stored.includes(event))),
    )
  }
  return { events, stream, reported }
}

const always: PublishOptions = {
  signal: new AbortController().signal,
  maySend: () => true,
  fresh: true,
  outcomesSeen: false,
}

const orders: Record<string, (lastSequence: number) => Order> = {
  aggregate: () => new Lanes(),
  stream: (lastSequence) => new Chain(lastSequence),
}

describe.each(Object.entries(orders))('a pipeline with ordering %s', (_, makeOrder) => {
  it('stores everything once and in order, whatever is refused or lost on the way', async () => {
    await fc.assert(
      fc.asyncProperty(plans, async (plan) => {
        const { events, stream, reported } = await publishAll(plan, makeOrder)
        const of = (id: string, all: readonly RecordedEvent[]) =>
          all.filter(({ aggregateId }) => aggregateId === id)
        expect(stream.stored).toHaveLength(events.length)
        for (const id of ['a', 'b', 'c', 'd']) expect(of(id, stream.stored)).toEqual(of(id, events))
        expect(reported.some(({ fenced }) => fenced)).toBe(false)
      }),
      runs(300),
    )
  })

  it('holds back only what its own aggregate is refused, unless the destination is gone', async () => {
    const events = eventsOf(['a', 'b', 'a', 'c', 'a', 'b'])
    const send: Send = (entry) => {
      const { event, page, expectedLast = 0 } = entry
      entry.bytes = 1
      if (event.id === '2') return refused(event)
      queueMicrotask(() => page.pipeline.settle(entry, { seq: expectedLast + 1, duplicate: false }))
      return undefined
    }
    const outcome = await pipelineOf(makeOrder, send).publish(events, always)
    expect(outcome.unacknowledged.map(({ id }) => id)).toEqual(['2', '4'])
    expect(outcome.refused).toHaveLength(1)
    expect(outcome.unavailable).toBeUndefined()
  })

  it('resolves when nothing can be sent, and with nothing to send', async () => {
    const events = eventsOf(['a', 'b', 'a'])
    const sent: string[] = []
    const send: Send = ({ event }) => {
      sent.push(event.id)
      return unavailable()
    }
    expect(await pipelineOf(makeOrder, send).publish([], always)).toMatchObject({ unacknowledged: [] })
    const mayNot = { ...always, maySend: () => false }
    expect(await pipelineOf(makeOrder, send).publish(events, mayNot)).toMatchObject({
      unacknowledged: events,
    })
    expect(sent).toEqual([])
    expect(await pipelineOf(makeOrder, send).publish(events, always)).toMatchObject({
      unacknowledged: events,
      unavailable: { code: 'ERR_OUTBOX_UNAVAILABLE' },
    })
    expect(sent).toEqual(['0'])
  })

  it('gives up what is in flight when it is aborted, and takes no later answer for it', async () => {
    const controller = new AbortController()
    const flying: Entry[] = []
    const send: Send = (entry) => {
      flying.push(entry)
      return undefined
    }
    const pipeline = pipelineOf(makeOrder, send)
    const outcome = pipeline.publish(eventsOf(['a', 'b', 'c']), { ...always, signal: controller.signal })
    pipeline.settle(flying[0]!, { seq: 1, duplicate: false })
    controller.abort()
    expect((await outcome).unacknowledged.map(({ id }) => id)).toEqual(['1', '2'])
    pipeline.settle(flying[1]!, { seq: 2, duplicate: false })
    expect((await outcome).unacknowledged).toHaveLength(2)
  })

  it('says of each page where what comes after it begins, and not of what is stored beside it', async () => {
    const flying: Entry[] = []
    const pipeline = pipelineOf(makeOrder, (entry) => {
      flying.push(entry)
      return undefined
    })
    const [first, second] = [eventsOf(['a', 'b']), eventsOf(['c', 'd'])].map((page) =>
      pipeline.publish(page, always),
    )
    for (const [index, entry] of [...flying.entries()].toReversed())
      pipeline.settle(entry, { seq: index + 1, duplicate: false })
    expect((await first!).state).toBe('0')
    expect((await second!).state).toBe('4')
  })
})

it('the pipeline of ordering aggregate sends an aggregate one event after the other', async () => {
  const flying = new Set<string>()
  const pipeline = pipelineOf(
    () => new Lanes(),
    (entry) => {
      const { aggregateId } = entry.event
      expect(flying).not.toContain(aggregateId)
      flying.add(aggregateId)
      setImmediate(() => {
        flying.delete(aggregateId)
        pipeline.settle(entry, { seq: 1, duplicate: false })
      })
      return undefined
    },
  )
  const pages = [eventsOf(['a', 'b', 'a', 'c']), eventsOf(['c', 'a', 'd'])]
  const outcomes = await Promise.all(pages.map((page) => pipeline.publish(page, always)))
  expect(outcomes.flatMap((outcome) => outcome.unacknowledged)).toEqual([])
})

it('a pipeline takes no acknowledgement from a stream that begins again', async () => {
  const pipeline = new Pipeline(
    new Lanes(),
    (entry) => {
      queueMicrotask(() => pipeline.settle(entry, { seq: 1, duplicate: false }))
      return undefined
    },
    { window: 5, windowBytes: 1000, lastSequence: 7, stateOf: String },
  )
  const outcome = await pipeline.publish(eventsOf(['a']), always)
  expect(outcome).toMatchObject({ unacknowledged: [{ id: '0' }], unavailable: {}, state: '7' })
})

it('the pipeline of ordering stream stores what precedes a refused event, though it has to be sent again', async () => {
  const events = eventsOf(['a', 'b', 'c', 'b'])
  const flying: Entry[] = []
  const stored: RecordedEvent[] = []
  const pipeline = pipelineOf(
    () => new Chain(0),
    (entry) => (entry.event.id === '3' ? refused(entry.event) : void flying.push(entry)),
  )
  const outcome = pipeline.publish(events, always)
  while (flying.length > 0)
    for (const entry of flying.splice(0)) {
      const { event, expectedLast } = entry
      if (event.id === '0') pipeline.settle(entry, refused(event))
      else if (expectedLast === stored.length)
        pipeline.settle(entry, { seq: stored.push(event), duplicate: false })
      else pipeline.settle(entry, new OutboxError('ERR_OUTBOX_FENCED', 'wrong', { stream: 'S' }))
    }
  expect((await outcome).unacknowledged.map(({ id }) => id)).toEqual(['0', '3'])
})

it('the pipeline of ordering stream is fenced by what it has not written', async () => {
  const flying: Entry[] = []
  const pipeline = pipelineOf(
    () => new Chain(0),
    (entry) => {
      flying.push(entry)
      return undefined
    },
  )
  const outcome = pipeline.publish(eventsOf(['a', 'b']), always)
  const error = new OutboxError('ERR_OUTBOX_FENCED', 'wrong last sequence', {
    stream: 'S',
    brokerCode: 10071,
  })
  for (const entry of flying) pipeline.settle(entry, error)
  expect(await outcome).toMatchObject({ unacknowledged: [{ id: '0' }, { id: '1' }], fenced: error })
})

function pipelineOf(makeOrder: (lastSequence: number) => Order, send: Send): Pipeline {
  return new Pipeline(makeOrder(0), send, { window: 5, windowBytes: 1000, lastSequence: 0, stateOf: String })
}
