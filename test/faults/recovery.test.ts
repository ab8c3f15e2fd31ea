/**
 * A relay ends in mid-window, when its broker has acknowledged events that no checkpoint tells of. Somebody edits the
 * stream, or time passes; then another relay goes on.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { nanos } from '@nats-io/transport-node'
import type { Publisher } from 'drizzle-outbox'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { gate } from '../support/gate.js'
import { describeWithPrivateNats } from '../support/private-nats.js'
import { overriding, unavailableOutcome } from '../support/publishers.js'
import { accountEvents } from './accounts.js'
import { orderings } from './publishing/campaign.js'
import { publishInterrupted } from './publishing/interrupted-relay.js'
import { DUPLICATE_WINDOW, FORGETFUL, Stage } from './publishing/stage.js'

const forgotten = () => sleep(3 * DUPLICATE_WINDOW)

describeWithPrivateNats('a relay that ended in mid-window', (nats) => {
  let stage: Stage
  beforeEach(async () => {
    stage = await Stage.set(nats())
  })
  afterEach(() => stage.clear())

  describe.each(orderings)('with ordering %s', (ordering) => {
    /** Publishes two pages of the open window. No checkpoint says so. */
    async function interrupted(publisher = stage.publisher({ ordering })): Promise<void> {
      const both = gate()
      let pages = 0
      const silent: Partial<Publisher> = {
        publish: async (...page) => {
          await publisher.publish(...page)
          if (++pages === 2) both.open()
          return new Promise(() => {})
        },
      }
      const relay = stage.relay(overriding(publisher, silent))
      await relay.start()
      await both.opened
      await relay.stop({ timeoutMs: 0 })
    }
    const goOn = (publisher = stage.publisher({ ordering })) => stage.relay(publisher).drain()

    it('is followed by one that publishes only what is not there', async () => {
      await stage.write(30)
      await interrupted()
      await forgotten()
      await goOn()
      expect(await stage.stored()).toEqual(await stage.logged())
    })

    it('is followed by one that publishes only what is not there, after a checkpoint on the way', async () => {
      const stored = await publishInterrupted(stage, () => stage.publisher({ ordering }))
      expect(stored.toSorted()).toEqual((await stage.logged()).toSorted())
    })

    it('is followed by one that finds what was committed late, at positions below those before', async () => {
      const [positioned, commit] = [gate(), gate()]
      const late = stage.open.db.transaction(async (tx) => {
        for (let n = 0; n < 25; n++) tx.outbox.add(accountEvents.noted(`late ${n % 2}`, { text: '' }))
        positioned.open()
        await commit.opened
      })
      await positioned.opened
      await stage.write(15)
      await goOn()
      const early = await stage.logged()
      commit.open()
      await late
      await interrupted()
      await forgotten()
      await goOn()
      const ids = await stage.logged()
      expect(await stage.stored()).toEqual([...early, ...ids.filter((id) => !early.includes(id))])
    })

    it.each(['default', 'of a function'])(
      'is followed by one that publishes again what was deleted, and nothing else (subject: %s)',
      async (subjects) => {
        const { stream } = stage
        const publisher = () =>
          subjects === 'default'
            ? stage.publisher({ ordering })
            : stage.publisher({ ordering, subject: () => stream }, { ...FORGETFUL, subjects: [stream] })
        await stage.write(30)
        await interrupted(publisher())
        await stage.streams.deleteMessage(stream, 20)
        await stage.streams.deleteMessage(stream, 5)
        await forgotten()
        await goOn(publisher())
        const ids = await stage.logged()
        const [fifth] = ids.splice(4, 1)
        expect(await stage.stored()).toEqual([...ids.slice(0, 18), fifth, ...ids.slice(18)])
      },
    )

    it.each(['is followed by one', 'is the first'])(
      '%s that reads little after each outage, however long the window is',
      async (which) => {
        await stage.write(400, 40)
        if (which !== 'is the first') await interrupted()
        const publisher = stage.publisher({ ordering })
        const found: number[] = []
        let calls = 0
        const troubled: Partial<Publisher> = {
          recover: async (from) => {
            const recovered = await publisher.recover!(from)
            found.push(recovered.stored.size)
            return recovered
          },
          publish: async (events, options) => {
            const outcome = await publisher.publish(events, options)
            return ++calls % 5 === 0 ? unavailableOutcome(events) : outcome
          },
        }
        await goOn(overriding(publisher, troubled))
        expect((await stage.stored()).toSorted()).toEqual((await stage.logged()).toSorted())
        expect(found.length).toBeGreaterThan(5)
        expect(Math.max(...found)).toBeLessThan(150) // some pages of ten
      },
    )

    it('is followed by one that publishes again what was purged', async () => {
      await stage.write(30)
      await interrupted()
      await stage.streams.purge(stage.stream)
      await forgotten()
      await goOn()
      expect(await stage.stored()).toEqual(await stage.logged())
    })

    it('is followed by one that waits with what was purged until the server has forgotten it', async () => {
      const publisher = () => stage.publisher({ ordering }, { duplicate_window: nanos(3000) })
      await stage.write(30)
      await interrupted(publisher())
      await stage.streams.purge(stage.stream)
      const relay = stage.relay(publisher())
      const reasons: string[] = []
      relay.on('paused', ({ error }) => reasons.push(error.message))
      await relay.drain()
      expect(reasons).toContainEqual(expect.stringContaining('which is gone'))
      expect(await stage.stored()).toEqual(await stage.logged())
    })
  })
})
