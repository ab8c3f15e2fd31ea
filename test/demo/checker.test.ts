/** The demo's checker must be able to fail: every fault that it is for, planted. */
import { expect, test } from 'vitest'
import { check, type Evidence, type Findings } from '../../dev/demo/checker.js'

/** Two orders, with events as they should be. */
function goodEvidence() {
  const events = [1, 2, 3].flatMap((version) =>
    ['order-1', 'order-2'].map((orderId) => ({ orderId, version, type: `order.step${version}` })),
  )
  const received = events.map((event) => ({
    ...event,
    id: `${event.orderId}/${event.version}`,
    data: { n: event.version },
  }))
  const log = received.map(({ id, orderId, version, type, data }) => ({
    id,
    aggregateId: orderId,
    aggregateVersion: version,
    type,
    data: structuredClone(data),
  }))
  return { committed: events, log, received }
}

/** How many findings there are of each fault that was found. */
function faultsOf(evidence: Evidence): Partial<Record<keyof Findings, number>> {
  const found = Object.entries(check(evidence)).filter(([, events]) => events.length > 0)
  return Object.fromEntries(found.map(([fault, events]) => [fault, events.length]))
}

test('nothing is wrong', () => {
  expect(faultsOf(goodEvidence())).toEqual({})
  expect(faultsOf({ committed: [], log: [], received: [] })).toEqual({})
})

type Good = ReturnType<typeof goodEvidence>
const faults: [name: string, plant: (evidence: Good) => unknown, faults: ReturnType<typeof faultsOf>][] = [
  ['an event is not received', ({ received }) => received.splice(2, 1), { missing: 1 }],
  ['nothing is received', ({ received }) => received.splice(0), { missing: 6 }],
  ['an event is received twice', ({ received }) => received.push(received[5]!), { duplicated: 1 }],
  ['an old event is received again', ({ received }) => received.push(received[0]!), { duplicated: 1 }],
  ['two events of an order are swapped', ({ received }) => swap(received, 0, 2), { outOfOrder: 1 }],
  ['an event comes last', ({ received }) => received.push(...received.splice(0, 1)), { outOfOrder: 1 }],
  ['data differ', ({ received }) => Object.assign(received[1]!.data, { n: 0 }), { changed: 1 }],
  ['data have more', ({ received }) => Object.assign(received[1]!.data, { more: null }), { changed: 1 }],
  ['a type differs', ({ received }) => Object.assign(received[1]!, { type: 'order.other' }), { changed: 1 }],
  ['a version differs', ({ received }) => Object.assign(received[1]!, { version: 7 }), { changed: 1 }],
  ['an order differs', ({ received }) => Object.assign(received[1]!, { orderId: 'order-3' }), { changed: 1 }],
  [
    'something else is received',
    ({ received }) => received.push({ ...received[0]!, id: 'other' }),
    { phantoms: 1 },
  ],
  [
    'an id differs',
    ({ received }) => Object.assign(received[0]!, { id: 'other' }),
    { missing: 1, phantoms: 1 },
  ],
  ['a commit left no event', ({ log, received }) => [log.pop(), received.pop()], { missing: 1 }],
  ['a rolled back transaction left one', ({ committed }) => committed.pop(), { phantoms: 1 }],
  [
    'a version is missing in the log',
    ({ log, received }) => [log.splice(2, 1), received.splice(2, 1)],
    { missing: 1, outOfOrder: 1 },
  ],
  [
    'the log is out of turn',
    ({ log, received }) => [swap(log, 0, 2), swap(received, 0, 2)],
    { outOfOrder: 4 },
  ],
  [
    'an event is in the log twice',
    ({ log }) => log.push(log[5]!),
    { duplicated: 1, outOfOrder: 1, phantoms: 1 },
  ],
]

test.each(faults)('%s', (_, plant, expected) => {
  const evidence = goodEvidence()
  plant(evidence)
  expect(faultsOf(evidence)).toEqual(expected)
})

test('events of different orders may come in any order', () => {
  const evidence = goodEvidence()
  evidence.received.sort((a, b) => a.orderId.localeCompare(b.orderId))
  expect(faultsOf(evidence)).toEqual({})
})

function swap(events: unknown[], a: number, b: number): void {
  const first = events[a]
  events[a] = events[b]
  events[b] = first
}
