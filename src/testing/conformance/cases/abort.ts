import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import type { PublishOptions } from '../../../publishers/publisher.js'
import { assertSame } from '../assertions.js'
import type { Case } from '../conformance-case.js'

const aborted = { signal: AbortSignal.abort() }
const notAllowed = { maySend: () => false }

const sendsNothing = (name: string, options: Partial<PublishOptions>): Case => ({
  name,
  run: async (rig) => {
    const publisher = await rig.start()
    const events = rig.log.events(50, 5)
    const outcome = await publisher.publish(events, options)
    assertSame('unacknowledged', outcome.unacknowledged, events)
    // What was sent all the same would be there before this.
    const marker = rig.log.event('marker')
    await publisher.deliver([marker])
    await rig.expectStored([marker])
    await publisher.deliver(events)
    await rig.expectStored([marker, ...events])
  },
})

/** The end of a long page is forbidden while its beginning is on its way. */
const endsInMidPage = (
  name: string,
  begin: () => { options: Partial<PublishOptions>; end: () => void },
): Case => ({
  name,
  run: async (rig) => {
    const publisher = await rig.start()
    const events = rig.log.events(3000, 100)
    const { options, end } = begin()
    const publishing = publisher.publish(events, options)
    setImmediate(end)
    const outcome = await publishing
    await rig.expectAcknowledged({ events, outcome })
    await publisher.deliver(outcome.unacknowledged)
    await rig.expectStored(events)
  },
})

export const abortCases: readonly Case[] = [
  sendsNothing('sends nothing when its signal is aborted', aborted),
  sendsNothing('sends nothing when it may not', notAllowed),
  endsInMidPage('knows what is acknowledged when it is aborted in mid-page', () => {
    const controller = new AbortController()
    return { options: { signal: controller.signal }, end: () => controller.abort() }
  }),
  endsInMidPage('knows what is acknowledged when in mid-page it may send no more', () => {
    let may = true
    return {
      options: { maySend: () => may },
      end: () => {
        may = false
      },
    }
  }),
  {
    name: 'gives up what is in flight when it is aborted, without waiting, and counts no answer that comes later',
    needs: ['holdAnswers'],
    run: async (rig) => {
      const publisher = await rig.start()
      const events = rig.log.events(30, 10)
      const release = await rig.holdAnswers()
      const controller = new AbortController()
      const publishing = publisher.publish(events, { signal: controller.signal })
      publishing.catch(() => {}) // thrown below
      await rig.untilStored()
      controller.abort()
      // An outcome that waits for the acknowledgements comes with their timeout, and so after this.
      const early = await Promise.race([publishing, sleep(publisher.publisher.publishTimeoutMs / 2)])
      assert.ok(early, 'aborted, publish goes on waiting for acknowledgements')
      assertSame('unacknowledged', early.unacknowledged, events)
      await release()
      await publisher.deliver(events)
      assertSame('unacknowledged, when answers have come late', early.unacknowledged, events)
      await rig.expectStored(events)
    },
  },
  {
    name: 'sends no more of a page when acknowledgements come and it may not any longer',
    needs: ['holdAnswers', 'inFlight'],
    run: async (rig) => {
      const publisher = await rig.start()
      const { events: most } = rig.features.inFlight!
      const events = rig.log.events(3 * most, 3 * most)
      const release = await rig.holdAnswers()
      let may = true
      const publishing = publisher.publish(events, { maySend: () => may })
      publishing.catch(() => {}) // thrown below
      await rig.untilStored()
      may = false
      await release()
      const outcome = await publishing
      await rig.expectAcknowledged({ events, outcome })
      const { length } = await rig.stored()
      assert.ok(
        length <= most,
        `${length} events were sent, and ${most} could be in flight when it was forbidden`,
      )
      await publisher.deliver(outcome.unacknowledged)
      await rig.expectStored(events)
    },
  },
  {
    name: 'goes on after 300 calls that were aborted or not allowed',
    run: async (rig) => {
      const publisher = await rig.start()
      const events = rig.log.events(50, 5)
      for (let attempt = 0; attempt < 300; attempt++)
        await publisher.publish(events, attempt % 2 === 0 ? aborted : notAllowed)
      await publisher.deliver(events)
      await rig.expectStored(events)
    },
  },
]
