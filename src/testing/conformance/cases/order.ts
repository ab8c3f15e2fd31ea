import type { Case } from '../conformance-case.js'

export const orderCases: readonly Case[] = [
  {
    name: 'keeps 4000 events of 64 aggregates in order, with as many pages open as it allows',
    run: async (rig) => {
      const events = rig.log.events(4000, 64)
      await (await rig.start()).deliver(events, { pageSize: 300 })
      await rig.expectStored(events)
    },
  },
  {
    name: 'keeps 1000 events of one aggregate in order, and of three',
    run: async (rig) => {
      const publisher = await rig.start()
      const events = [...rig.log.events(500, 1), ...rig.log.events(500, 3)]
      await publisher.deliver(events, { pageSize: 100 })
      await rig.expectStored(events)
    },
  },
  {
    name: 'keeps pages of every kind in order beside each other',
    run: async (rig) => {
      const pages = [1, 100, 2, 100, 5, 5, 100].map((aggregates) => rig.log.events(100, aggregates))
      await (await rig.start()).deliver(pages.flat(), { pageSize: 100 })
      await rig.expectStored(pages.flat())
    },
  },
  {
    name: 'takes 5000 events of as many aggregates',
    run: async (rig) => {
      const events = Array.from({ length: 5000 }, (_, index) => rig.log.event(`aggregate ${index}`))
      await (await rig.start()).deliver(events, { pageSize: 1000 })
      await rig.expectStored(events)
    },
  },
  {
    name: 'keeps aggregates in order that are of two types and share their ids',
    run: async (rig) => {
      const types = ['order', 'invoice', 'order', 'order', 'invoice']
      const events = Array.from({ length: 200 }, (_, index) =>
        rig.log.event(`${index % 3}`, { aggregateType: types[index % types.length] as string }),
      )
      await (await rig.start()).deliver(events, { pageSize: 50 })
      await rig.expectStored(events)
    },
  },
  {
    name: 'stores nothing of an aggregate after an event of it that got lost on the way',
    needs: ['lose'],
    run: async (rig) => {
      const publisher = await rig.start()
      const events = rig.log.events(60, 4)
      await rig.lose(events[10]!)
      const outcome = await publisher.publish(events)
      await rig.expectAcknowledged({ events, outcome })
      await publisher.deliver(outcome.unacknowledged)
      await rig.expectStored(events)
    },
  },
  {
    name: 'stores nothing of an aggregate from a page that is open beside one in which an event of it got lost',
    needs: ['lose'],
    run: async (rig) => {
      const publisher = await rig.start()
      const [one, two] = [rig.log.events(20, 4), rig.log.events(20, 4)]
      await rig.lose(one.at(-1)!)
      const pages = await publisher.openPages([one, two])
      await rig.expectAcknowledged(...pages)
      await publisher.deliver(pages.flatMap(({ outcome }) => outcome.unacknowledged))
      await rig.expectStored(pages.flatMap(({ events }) => events))
    },
  },
  {
    name: 'stores nothing of an aggregate from a page that comes after one in which an event of it got lost',
    needs: ['lose'],
    run: async (rig) => {
      const publisher = await rig.start()
      if (!publisher.isGivenPagesAhead) return
      const [one, two] = [rig.log.events(20, 4), rig.log.events(20, 4)]
      await rig.lose(one[3]!)
      const first = { events: one, outcome: await publisher.publish(one) }
      const second = { events: two, outcome: await publisher.publish(two) }
      await rig.expectAcknowledged(first, second)
      await publisher.deliver([...first.outcome.unacknowledged, ...second.outcome.unacknowledged])
      await rig.expectStored([...one, ...two])
    },
  },
]
