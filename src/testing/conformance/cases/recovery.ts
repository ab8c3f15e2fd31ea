import assert from 'node:assert/strict'
import type { RecordedEvent } from '../../../events/domain-event.js'
import type { Recovered } from '../../../publishers/publisher.js'
import { assertRejects } from '../assertions.js'
import type { Case } from '../conformance-case.js'
import { listOf, nameOf } from '../describe-events.js'
import type { Page } from '../tested-publisher.js'

function assertFound({ stored }: Recovered, events: readonly RecordedEvent[]): void {
  const missed = events.filter(({ id }) => !stored.has(id)).map(nameOf)
  assert.deepEqual(missed, [], `recover does not find ${listOf(missed)}`)
}

/** These, and nothing that was there before. */
function assertFoundAlone(recovered: Recovered, events: readonly RecordedEvent[]): void {
  assertFound(recovered, events)
  assert.equal(recovered.stored.size, events.length, 'recover finds what was there before the state')
}

/** The state that a relay would store when it has published a page. */
function stateAfter(pages: readonly Page[]): string {
  const state = pages.at(-1)?.outcome.state
  assert.ok(state !== undefined, 'the outcome of a page that is stored has no state')
  return state
}

export const recoveryCases: readonly Case[] = [
  {
    name: 'finds after a state what was stored since, and everything without one',
    needs: ['recovers'],
    run: async (rig) => {
      const publisher = rig.publisher()
      const { state: atFirst } = await publisher.start()
      const [before, after] = [rig.log.events(300, 10), rig.log.events(200, 10)]
      const state = stateAfter(await publisher.deliver(before, { pageSize: 300 }))
      await publisher.deliver(after)
      const successor = rig.publisher()
      assertFoundAlone(await successor.start({ state }), after)
      assertFoundAlone(await successor.start({ state: atFirst }), [...before, ...after])
      assertFoundAlone(await successor.start({ state: undefined }), [...before, ...after])
      const { state: atLast } = await successor.start({ state, unsettled: false })
      assertFoundAlone(await successor.start({ state: atLast }), [])
    },
  },
  {
    name: 'finds after the state of each page whatever comes later, while other pages were open beside it',
    needs: ['recovers'],
    run: async (rig) => {
      const publisher = await rig.start()
      const pages = await publisher.deliver(rig.log.events(1000, 40), { pageSize: 50 })
      for (const [index, { outcome }] of pages.entries())
        if (outcome.state !== undefined) {
          const later = pages.slice(index + 1).flatMap(({ events }) => events)
          assertFound(await publisher.recover({ state: outcome.state }), later)
        }
    },
  },
  {
    name: 'goes on where another publisher was, five times in a row',
    needs: ['recovers'],
    run: async (rig) => {
      const all: RecordedEvent[] = []
      let state: string | undefined
      for (let turn = 0; turn < 5; turn++) {
        const publisher = rig.publisher()
        assertFoundAlone(await publisher.start({ state }), [])
        const events = rig.log.events(100, 10)
        all.push(...events)
        state = stateAfter(await publisher.deliver(events, { pageSize: 100 }))
        await publisher.close()
      }
      await rig.expectStored(all)
    },
  },
  {
    name: 'finds what was stored and never acknowledged, and does not need to publish it again',
    needs: ['recovers', 'holdAnswers'],
    run: async (rig) => {
      const publisher = await rig.start()
      const old = rig.log.events(50, 5)
      const state = stateAfter(await publisher.deliver(old))
      const events = rig.log.events(30, 10)
      const release = await rig.holdAnswers()
      await publisher.publish(events)
      const there = new Set((await rig.stored()).map(({ id }) => id))
      await release()
      await publisher.close()
      const successor = rig.publisher()
      const recovered = await successor.start({ state })
      assertFoundAlone(
        recovered,
        events.filter(({ id }) => there.has(id)),
      )
      const { unacknowledged, duplicates } = await successor.publish(
        events.filter(({ id }) => !recovered.stored.has(id)),
      )
      assert.deepEqual({ unacknowledged, duplicates }, { unacknowledged: [], duplicates: 0 })
      await rig.expectStored([...old, ...events])
    },
  },
  {
    name: 'rejects recover with ERR_OUTBOX_DESTINATION_LOST when what was acknowledged is gone',
    needs: ['recovers', 'forget'],
    run: async (rig) => {
      const publisher = await rig.start()
      const state = stateAfter(await publisher.deliver(rig.log.events(50, 5)))
      await rig.forget()
      for (const unsettled of [true, false]) {
        const successor = rig.publisher()
        await successor.prepare()
        await assertRejects('recover', successor.recover({ state, unsettled }), 'ERR_OUTBOX_DESTINATION_LOST')
      }
    },
  },
  {
    name: 'is not disturbed by what another publisher stores',
    run: async (rig) => {
      const [one, other] = [await rig.start(), await rig.start()]
      const all: RecordedEvent[] = []
      for (let turn = 0; turn < 4; turn++)
        for (const publisher of [one, other]) {
          const events = rig.log.events(50, 5)
          all.push(...events)
          await publisher.deliver(events)
        }
      await rig.expectStored(all)
    },
  },
  {
    name: 'is fenced when another publisher has overtaken it, stores nothing, and goes on once it has recovered',
    needs: ['fences'],
    run: async (rig) => {
      const behind = await rig.start()
      const old = rig.log.events(20, 5)
      await behind.deliver(old)
      const ahead = await rig.start()
      const [young, late] = [rig.log.events(20, 5), rig.log.events(20, 5)]
      await ahead.deliver(young)
      const { unacknowledged, fenced } = await behind.publish(late)
      assert.equal(unacknowledged.length, late.length)
      assert.ok(fenced, 'the outcome does not say that it was fenced')
      await rig.expectStored([...old, ...young])
      await behind.deliver(late)
      await rig.expectStored([...old, ...young, ...late])
    },
  },
]
