import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import type { RecordedEvent } from '../../../events/domain-event.js'
import { assertRejects, assertSame } from '../assertions.js'
import type { Case } from '../conformance-case.js'
import type { Page } from '../tested-publisher.js'

export const outageCases: readonly Case[] = [
  {
    name: 'says that the destination is unavailable, refuses nothing, and goes on when it is back',
    needs: ['outage'],
    run: async (rig) => {
      const publisher = await rig.start()
      const events = rig.log.events(100, 10)
      await publisher.deliver(events.slice(0, 50))
      const restore = await rig.outage()
      for (let attempt = 0; attempt < 5; attempt++) {
        const { unacknowledged, unavailable, refused } = await publisher.publish(events.slice(50))
        assertSame('unacknowledged', unacknowledged, events.slice(50))
        assert.ok(unavailable, 'the outcome does not say that the destination is unavailable')
        assert.deepEqual(refused, [], 'an outage is not the fault of an event')
      }
      await restore()
      await publisher.deliver(events.slice(50))
      await rig.expectStored(events)
    },
  },
  {
    name: 'rejects prepare with ERR_OUTBOX_UNAVAILABLE during an outage, and not after it',
    needs: ['outage'],
    run: async (rig) => {
      const [experienced, unused] = [await rig.start(), rig.publisher()]
      const restore = await rig.outage()
      for (const publisher of [experienced, unused, experienced, unused])
        await assertRejects('prepare', publisher.prepare(), 'ERR_OUTBOX_UNAVAILABLE')
      await restore()
      const events = rig.log.events(20, 2)
      await experienced.restart()
      await experienced.deliver(events.slice(0, 10))
      await unused.restart()
      await unused.deliver(events.slice(10))
      await rig.expectStored(events)
    },
  },
  {
    name: 'rejects recover with ERR_OUTBOX_UNAVAILABLE during an outage, and not after it',
    needs: ['outage', 'recovers'],
    run: async (rig) => {
      const publisher = await rig.start()
      const events = rig.log.events(10, 2)
      await publisher.deliver(events)
      const restore = await rig.outage()
      await assertRejects('recover', publisher.recover(), 'ERR_OUTBOX_UNAVAILABLE')
      await restore()
      const { stored } = await publisher.restart()
      assert.equal(stored.size, events.length, 'recover does not find what there is')
    },
  },
  {
    name: 'loses nothing of what it acknowledged when the destination goes away in mid-publish',
    needs: ['outage'],
    run: async (rig) => {
      const publisher = await rig.start()
      const pages: Page[] = []
      const outage = rig.outage()
      for (let unavailable = false; !unavailable; rig.deadline.check('an outage that nobody notices')) {
        const events = rig.log.events(100, 10)
        const outcome = await publisher.publish(events)
        pages.push({ events, outcome })
        unavailable = outcome.unacknowledged.length > 0
      }
      await (await outage)()
      await publisher.restart()
      await rig.expectAcknowledged(...pages)
      await publisher.deliver(pages.flatMap(({ outcome }) => outcome.unacknowledged))
      await rig.expectStored(pages.flatMap(({ events }) => events))
    },
  },
  {
    name: 'tells when the destination is available again, and nobody who has ended it, if it tells at all',
    needs: ['outage'],
    run: async (rig) => {
      const publisher = await rig.start()
      let told = 0
      const end = publisher.publisher.onAvailable?.(() => told++)
      if (end === undefined) return
      const goThrough = async () => {
        const restore = await rig.outage()
        await publisher.publish(rig.log.events(10, 2))
        assert.equal(told, 0, 'it tells in an outage that the destination is available')
        await restore()
      }
      await goThrough()
      for (; told === 0; await sleep(5)) rig.deadline.check('an outage whose end it does not tell of')
      end()
      told = 0
      await publisher.restart()
      await goThrough()
      await publisher.restart()
      assert.equal(told, 0, 'it tells somebody who has ended it')
    },
  },
  {
    name: 'answers a ping beside what it publishes, and rejects it with ERR_OUTBOX_UNAVAILABLE in an outage, if at all',
    needs: ['outage'],
    run: async (rig) => {
      const publisher = await rig.start()
      const ping = publisher.publisher.ping?.bind(publisher.publisher)
      if (ping === undefined) return
      const events = rig.log.events(100, 10)
      await Promise.all([publisher.deliver(events), ping()])
      const restore = await rig.outage()
      for (let attempt = 0; attempt < 2; attempt++)
        await assertRejects('ping', ping(), 'ERR_OUTBOX_UNAVAILABLE')
      await restore()
      await publisher.restart()
      await ping()
      await rig.expectStored(events)
    },
  },
  {
    name: 'has everything in the destination, in order, though the connection is cut twice in mid-publish',
    needs: ['cut'],
    run: async (rig) => {
      const events: RecordedEvent[] = rig.log.events(3000, 30)
      const cuts = new Set([10, 15])
      await (await rig.start()).deliver(events, {
        pageSize: 100,
        onPage: (index) => (cuts.delete(index) ? rig.cut() : undefined),
      })
      await rig.expectStored(events)
    },
  },
]
