import assert from 'node:assert/strict'
import type { RecordedEvent } from '../../../events/domain-event.js'
import type { PublishOutcome } from '../../../publishers/publisher.js'
import { assertSame } from '../assertions.js'
import type { Case } from '../conformance-case.js'
import { aggregateOf } from '../describe-events.js'
import type { Rig } from '../rig.js'

/** The page, but for some of its events, which the destination will refuse. */
function refusing(rig: Rig, page: readonly RecordedEvent[], bad: readonly RecordedEvent[]): RecordedEvent[] {
  return page.map((event) => (bad.includes(event) ? rig.refuse(event) : event))
}

/** The bad events, and what follows them in their aggregates. */
function withFollowers(page: readonly RecordedEvent[], bad: readonly RecordedEvent[]): RecordedEvent[] {
  const broken = new Set<string>()
  return page.filter((event) => {
    if (bad.includes(event)) broken.add(aggregateOf(event))
    return broken.has(aggregateOf(event))
  })
}

function assertRefused(outcome: PublishOutcome, bad: readonly RecordedEvent[]): void {
  const { refused, unavailable, fenced } = outcome
  assert.equal(unavailable ?? fenced, undefined, 'a refusal is about an event, and not about the destination')
  const named = refused.map(({ details }) => details.eventId).toSorted()
  assert.deepEqual(
    named,
    bad.map(({ id }) => id).toSorted(),
    'refused does not name the events that were refused',
  )
}

const original = (page: readonly RecordedEvent[], changed: readonly RecordedEvent[]) =>
  page.filter(({ id }) => changed.some((event) => event.id === id))

export const refusalCases: readonly Case[] = [
  {
    name: 'refuses events, holds back what follows them in their aggregates, and stores all others',
    needs: ['refuse'],
    run: async (rig) => {
      const publisher = await rig.start()
      const events = rig.log.events(60, 6)
      const bad = [events[7]!, events[20]!, events[58]!]
      const outcome = await publisher.publish(refusing(rig, events, bad))
      assertRefused(outcome, bad)
      const held = withFollowers(events, bad)
      assertSame('unacknowledged', original(events, outcome.unacknowledged), held)
      await rig.expectStored(events.filter((event) => !held.includes(event)))
    },
  },
  {
    name: 'stores what it refused, and what it held back, in order once the cause is gone',
    needs: ['refuse'],
    run: async (rig) => {
      const publisher = await rig.start()
      const events = rig.log.events(60, 6)
      const bad = [events[0]!, events[31]!]
      const page = refusing(rig, events, bad)
      const once = await publisher.publish(page)
      const again = await publisher.publish(once.unacknowledged)
      assertRefused(again, bad)
      assertSame('unacknowledged the second time', again.unacknowledged, once.unacknowledged)
      const { unacknowledged } = await publisher.publish(original(events, again.unacknowledged))
      assertSame('unacknowledged when nothing is refused', unacknowledged, [])
      const held = withFollowers(events, bad)
      await rig.expectStored([...events.filter((event) => !held.includes(event)), ...held])
    },
  },
  {
    name: 'holds back later events of the aggregate in a page that is open beside it, and no others',
    needs: ['refuse'],
    run: async (rig) => {
      const publisher = await rig.start()
      const [one, two] = [rig.log.events(40, 4), rig.log.events(40, 4)]
      const bad = [one[35]!, one[36]!]
      const pages = await publisher.openPages([refusing(rig, one, bad), two])
      const opened = [one, two].slice(0, pages.length).flat()
      const held = withFollowers(opened, bad)
      const left = pages.flatMap(({ outcome }) => outcome.unacknowledged)
      assertSame('unacknowledged', original(opened, left), held)
      const others = opened.filter((event) => !held.includes(event))
      await rig.expectStored(others)
      await publisher.deliver(held)
      await rig.expectStored([...others, ...held])
    },
  },
  {
    name: 'holds back later events of the aggregate in a page that comes after it, until the refused one comes again',
    needs: ['refuse'],
    run: async (rig) => {
      const publisher = await rig.start()
      if (!publisher.isGivenPagesAhead) return
      const [one, two] = [rig.log.events(40, 4), rig.log.events(40, 4)]
      const all = [...one, ...two]
      const bad = [one[35]!, one[36]!]
      const held = withFollowers(all, bad)
      const first = await publisher.publish(refusing(rig, one, bad))
      const second = await publisher.publish(two)
      const left = [...first.unacknowledged, ...second.unacknowledged]
      assertSame('unacknowledged', original(all, left), held)
      const { unacknowledged } = await publisher.publish(held)
      assertSame('unacknowledged when nothing is refused', unacknowledged, [])
      await rig.expectStored([...all.filter((event) => !held.includes(event)), ...held])
    },
  },
  {
    name: 'holds nothing back for a refused event once every outcome was seen',
    needs: ['refuse'],
    run: async (rig) => {
      const publisher = await rig.start()
      const [bad, follower, other] = [rig.log.event('bad'), rig.log.event('bad'), rig.log.event('good')]
      const { unacknowledged } = await publisher.publish([rig.refuse(bad), follower])
      assertSame('unacknowledged', unacknowledged, [bad, follower])
      const next = await publisher.publish([follower, other], { outcomesSeen: true })
      assertSame('unacknowledged when the refused one is put aside', next.unacknowledged, [])
      await rig.expectStored([follower, other])
    },
  },
  {
    name: 'goes on after 300 refusals',
    needs: ['refuse'],
    run: async (rig) => {
      const publisher = await rig.start()
      const bad = rig.log.event('bad')
      const follower = rig.log.event('bad')
      const refused = rig.refuse(bad)
      const others: RecordedEvent[] = []
      for (let attempt = 0; attempt < 300; attempt++) {
        const other = rig.log.event('good')
        others.push(other)
        const outcome = await publisher.publish([refused, other, follower])
        assertRefused(outcome, [bad])
        assert.equal(outcome.unacknowledged.length, 2)
      }
      await rig.expectStored(others)
      await publisher.deliver([bad, follower])
      await rig.expectStored([...others, bad, follower])
    },
  },
]
