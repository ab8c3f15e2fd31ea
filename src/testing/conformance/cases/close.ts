import { setTimeout as sleep } from 'node:timers/promises'
import { assertSame } from '../assertions.js'
import type { Case } from '../conformance-case.js'
import type { Rig } from '../rig.js'

export const closeCases: readonly Case[] = [
  {
    name: 'can be closed before it is prepared, twice, and be prepared again',
    run: async (rig) => {
      const publisher = rig.publisher()
      await publisher.close()
      const events = rig.log.events(40, 4)
      for (const half of [events.slice(0, 20), events.slice(20)]) {
        await publisher.start()
        await publisher.deliver(half)
        await publisher.close()
        await publisher.close()
      }
      await rig.expectStored(events)
    },
  },
  {
    name: 'can be closed while it is prepared, ten of them at the same time, and disturbs no other',
    run: async (rig) => {
      const publisher = await rig.start()
      await Promise.all(
        Array.from({ length: 10 }, async (_, index) => {
          const closed = rig.publisher()
          const prepared = closed.prepare().catch(() => {}) // what comes of it is open
          if (index % 2 === 0) await prepared
          await closed.close()
          await prepared
        }),
      )
      const events = rig.log.events(50, 5)
      const { unacknowledged } = await publisher.publish(events)
      assertSame('unacknowledged', unacknowledged, [])
      await rig.expectStored(events)
    },
  },
  {
    name: 'loses nothing of what it acknowledged when it is closed in mid-publish',
    run: async (rig) => {
      const publisher = await rig.start()
      const events = rig.log.events(3000, 100)
      const publishing = publisher.publish(events)
      publishing.catch(() => {}) // thrown below
      await sleep(1)
      await publisher.close()
      const outcome = await publishing
      await rig.expectAcknowledged({ events, outcome })
      await rig.publisher().deliver(events)
      await rig.expectStored(events)
    },
  },
  {
    name: 'frees what it opened, so that a process can end',
    run: async (rig) => {
      await rig.stored()
      const before = countResources()
      await cycle(rig)
      for (;;) {
        const left = [...countResources()].filter(([type, count]) => count > (before.get(type) ?? 0))
        if (left.length === 0) return
        rig.deadline.check(`something that it opened, ${left.map(([type]) => type).join(' and ')},`)
        await sleep(20)
      }
    },
  },
]

/** One publisher is closed at rest, another one at work. */
async function cycle(rig: Rig): Promise<void> {
  const [resting, working] = [await rig.start(), await rig.start()]
  await resting.deliver(rig.log.events(100, 10))
  const publishing = working.publish(rig.log.events(1000, 10))
  publishing.catch(() => {}) // thrown below
  await Promise.all([resting.close(), working.close()])
  await publishing
}

/** By type, what keeps the process alive. */
function countResources(): Map<string, number> {
  const counts = new Map<string, number>()
  for (const type of process.getActiveResourcesInfo()) counts.set(type, (counts.get(type) ?? 0) + 1)
  return counts
}
