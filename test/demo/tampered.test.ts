/** The whole demo, with a publisher that does not do its work: the report must say so. */
import type { Publisher, RecordedEvent } from 'drizzle-outbox'
import { beforeEach, describe, expect, inject, test, vi } from 'vitest'
import { noProgress } from '../../dev/demo/progress.js'
import type { Report } from '../../dev/demo/report.js'
import { runDemo } from '../../dev/demo/run-demo.js'
import { openVenue } from '../../dev/servers/index.js'
import { describeWithNats } from '../support/servers.js'

const orders = 40

beforeEach(() => {
  vi.stubEnv('DATABASE_URL', inject('databaseUrl'))
  vi.stubEnv('NATS_URL', inject('natsUrl'))
})

type Alter = (page: readonly RecordedEvent[]) => readonly RecordedEvent[]

async function report(alter: Alter, broker: 'nats' | 'memory' = 'nats'): Promise<Report> {
  const wrapPublisher = (publisher: Publisher): Publisher => ({
    name: publisher.name,
    publishTimeoutMs: publisher.publishTimeoutMs,
    prepare: (context) => publisher.prepare(context),
    publish: (events, options) => publisher.publish(alter(events), options),
    close: () => publisher.close(),
  })
  await using venue = await openVenue('SHOP')
  const { databaseUrl, stream } = venue
  const natsUrl = broker === 'nats' ? venue.natsUrl : undefined
  const signal = new AbortController().signal
  const options = {
    venue: { databaseUrl, natsUrl, stream },
    orders,
    signal,
    progress: noProgress,
    wrapPublisher,
  }
  const { report } = await runDemo(options)
  expect(report.transactionsCommitted).toBeGreaterThan(2 * orders)
  return report
}

const isTarget = (event: RecordedEvent) => event.aggregateId === 'order-7'

/** Takes away the target's first event. */
function lose(): Alter {
  return (page) => page.filter((event) => !(isTarget(event) && event.aggregateVersion === 1))
}

/** Holds the target's first event back until after its second. */
function swap(): Alter {
  let held: RecordedEvent | undefined
  let swapped = false
  return (page) =>
    page.flatMap((event) => {
      if (!isTarget(event) || swapped) return [event]
      if (!held) {
        held = event
        return []
      }
      swapped = true
      return [event, held]
    })
}

function change(): Alter {
  return (page) =>
    page.map((event) =>
      event.type === 'order.paid' && isTarget(event) ? { ...event, data: '{"amount":1}' } : event,
    )
}

/** Publishes the target's first event again in the next page. */
function repeat(id?: string): Alter {
  let again: RecordedEvent | undefined
  let done = false
  return (page) => {
    const repeated = again && !done ? [...page, { ...again, id: id ?? again.id }] : page
    done = again !== undefined
    again ??= page.find((event) => isTarget(event) && event.aggregateVersion === 1)
    return repeated
  }
}

describeWithNats('through JetStream', () => {
  test('a good publisher', async () => {
    const good = { missing: 0, duplicated: 0, outOfOrder: 0, changed: 0, phantoms: 0, ok: true }
    expect(await report((page) => page)).toMatchObject(good)
  })

  test('a lost event', async () => {
    expect(await report(lose())).toMatchObject({ missing: 1, ok: false })
  })

  test('two swapped events', async () => {
    expect(await report(swap())).toMatchObject({ missing: 0, outOfOrder: 1, ok: false })
  })

  test('a changed event', async () => {
    expect(await report(change())).toMatchObject({ changed: 1, ok: false })
  })

  test('an event published again is stored once', async () => {
    expect(await report(repeat())).toMatchObject({ duplicated: 0, ok: true })
  })

  test('an event published again under another id', async () => {
    const id = '00000000-0000-4000-8000-000000000000'
    expect(await report(repeat(id))).toMatchObject({ phantoms: 1, ok: false })
  })
})

describe('into memory', () => {
  test('a good publisher', async () => {
    expect(await report((page) => page, 'memory')).toMatchObject({ destination: 'memory', ok: true })
  })

  test('an event published again', async () => {
    expect(await report(repeat(), 'memory')).toMatchObject({ duplicated: 1, ok: false })
  })
})
