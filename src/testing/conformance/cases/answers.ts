import assert from 'node:assert/strict'
import { assertSame } from '../assertions.js'
import type { Case } from '../conformance-case.js'

export const answerCases: readonly Case[] = [
  {
    name: 'stores an event once that is published again, and counts the duplicates',
    needs: ['deduplicates'],
    run: async (rig) => {
      const publisher = await rig.start()
      const [old, fresh] = [rig.log.events(50, 5), rig.log.events(20, 5)]
      await publisher.deliver(old)
      for (const another of [publisher, await rig.start()]) {
        const { unacknowledged, duplicates, fenced } = await another.publish(old)
        await rig.expectStored(old)
        // As good: relays look what is there before they publish again.
        if (fenced) await another.start()
        else {
          assertSame('unacknowledged of what is there', unacknowledged, [])
          assert.equal(duplicates, old.length, `of ${old.length} duplicates it counts ${duplicates}`)
        }
      }
      const pages = await publisher.deliver(fresh)
      assert.deepEqual(
        pages.map(({ outcome }) => outcome.duplicates),
        [0],
        'it counts duplicates where there are none',
      )
      await rig.expectStored([...old, ...fresh])
    },
  },
  {
    name: 'takes nothing for acknowledged that nobody answered for, and publishes it again',
    needs: ['holdAnswers'],
    run: async (rig) => {
      const publisher = await rig.start()
      const events = rig.log.events(30, 10)
      const release = await rig.holdAnswers()
      const outcome = await publisher.publish(events)
      assertSame('unacknowledged', outcome.unacknowledged, events)
      assert.ok(outcome.unavailable, 'the outcome does not say that the destination is unavailable')
      assert.equal(outcome.duplicates, 0)
      await rig.expectAcknowledged({ events, outcome })
      await release()
      await publisher.deliver(events)
      assertSame('unacknowledged, when answers have come late', outcome.unacknowledged, events)
      await rig.expectStored(events)
    },
  },
  {
    name: 'takes no answer for an acknowledgement that does not say that the event is stored',
    needs: ['emptyAnswers'],
    run: async (rig) => {
      const publisher = await rig.start()
      const events = rig.log.events(30, 10)
      const restore = await rig.emptyAnswers()
      const outcome = await publisher.publish(events)
      assertSame('unacknowledged', outcome.unacknowledged, events)
      assert.deepEqual(outcome.refused, [], 'an answer without meaning is not the fault of an event')
      await restore()
      await publisher.deliver(events)
      await rig.expectStored(events)
    },
  },
  {
    name: 'has no more events in flight than it says',
    needs: ['holdAnswers', 'inFlight'],
    run: async (rig) => {
      const { events: most } = rig.features.inFlight!
      const publisher = await rig.start()
      const events = Array.from({ length: 2 * most + 10 }, (_, index) => rig.log.event(`aggregate ${index}`))
      const release = await rig.holdAnswers()
      const pages = await publisher.openPages([events.slice(0, most + 5), events.slice(most + 5)])
      const { length } = await rig.stored()
      assert.ok(length > 0 && length <= most, `${length} events were in flight`)
      await release()
      await publisher.deliver(pages.flatMap((page) => page.events))
      await rig.expectStored(pages.flatMap((page) => page.events))
    },
  },
  {
    name: 'has no more bytes in flight than it says',
    needs: ['holdAnswers', 'inFlight'],
    run: async (rig) => {
      const { bytes: most } = rig.features.inFlight!
      const publisher = await rig.start()
      const large = Math.min(rig.features.maxDataBytes, Math.ceil(most / 3))
      const data = JSON.stringify('x'.repeat(large - 2))
      const count = Math.ceil(most / large) + 3
      const events = Array.from({ length: count }, (_, index) =>
        rig.log.event(`aggregate ${index}`, { data }),
      )
      const release = await rig.holdAnswers()
      await publisher.publish(events)
      const stored = (await rig.stored()).length * large
      assert.ok(stored > 0 && stored < most + large, `${stored} bytes were in flight`)
      await release()
      await publisher.deliver(events)
      await rig.expectStored(events)
    },
  },
]
