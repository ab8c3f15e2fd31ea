import type { RecordedEvent } from '../../../events/domain-event.js'
import type { Case } from '../conformance-case.js'
import { oddIds, oddJson } from '../odd-values.js'

const everyAttribute: Partial<RecordedEvent> = {
  type: 'com.acme.Größe.geändert %41',
  aggregateType: 'Größe',
  schemaVersion: 32_767,
  source: '/a%20b?c=%C3%BC#d',
  dataschema: 'https://example.com/schemas/gr%C3%B6%C3%9Fe?v=1&w=2',
  occurredAt: new Date('0999-12-31T23:59:59.999Z'),
  metadata: {
    correlationId: 'a b\r\nid: forged',
    causationId: 'É "quoted" 😀',
    traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    tracestate: 'vendor=a%20b,other=1',
    extensions: { tenant: 'Zürich', paid: true, minus: -2_147_483_648 },
  },
}

export const contentCases: readonly Case[] = [
  {
    name: 'stores 100 events, each with its id, aggregate, version and data',
    run: async (rig) => {
      const events = rig.log.events(100, 7)
      await (await rig.start()).deliver(events)
      await rig.expectStored(events)
    },
  },
  {
    name: 'stores every attribute of an event, and of one that has but few after it',
    needs: ['cloudEvents'],
    run: async (rig) => {
      const events = [rig.log.event('full', everyAttribute), rig.log.event('spare')]
      await (await rig.start()).deliver(events)
      await rig.expectStored(events)
    },
  },
  {
    name: 'stores JSON of any form byte for byte',
    run: async (rig) => {
      const events = oddJson.map((data, index) => rig.log.event(`aggregate ${index % 5}`, { data }))
      await (await rig.start()).deliver(events)
      await rig.expectStored(events)
    },
  },
  {
    name: 'keeps aggregates apart whose ids are alike, or look like something else',
    run: async (rig) => {
      const events = [1, 2].flatMap(() => oddIds.map((id) => rig.log.event(id)))
      await (await rig.start()).deliver(events)
      await rig.expectStored(events)
    },
  },
  {
    name: 'stores the largest events, and the smallest',
    run: async (rig) => {
      const { maxDataBytes } = rig.features
      const quotes = 2
      const texts = ['x'.repeat(maxDataBytes - quotes), 'é'.repeat((maxDataBytes - quotes) / 2), '']
      const events = [1, 2, 3].flatMap(() =>
        texts.map((text) => rig.log.event(`of ${text.length}`, { data: JSON.stringify(text) })),
      )
      await (await rig.start()).deliver(events)
      await rig.expectStored(events)
    },
  },
  {
    name: 'does not mix destinations',
    run: async (rig) => {
      const rigs = [rig]
      while (rigs.length < 5) rigs.push(await rig.another())
      const all = rigs.map((one) => ({ one, events: one.log.events(100, 10) }))
      await Promise.all(
        all.map(async ({ one, events }) => (await one.start()).deliver(events, { pageSize: 20 })),
      )
      for (const { one, events } of all) await one.expectStored(events)
    },
  },
]
