/** A stream that has lost what it had acknowledged: its relay says so, and publishes nothing until it is told to. */
import { cp, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { type AnyOutboxError, type RelayOptions, replay } from 'drizzle-outbox'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { describeWithPrivateNats } from '../support/private-nats.js'
import { orderings } from './publishing/campaign.js'
import { Stage } from './publishing/stage.js'

describeWithPrivateNats('a relay whose stream has lost events', (nats) => {
  let stage: Stage
  beforeEach(async () => {
    stage = await Stage.set(nats())
  })
  afterEach(() => stage.clear())

  /** What was published since a moment is gone, as after a restore. */
  async function losing(publish: () => Promise<void>): Promise<void> {
    const store = join(nats().directory, 'jetstream')
    const copy = `${store} as it was`
    await stage.restart(() => cp(store, copy, { recursive: true }))
    await publish()
    await stage.restart(async () => {
      await rm(store, { recursive: true })
      await rename(copy, store)
    })
  }

  describe.each(orderings)('with ordering %s', (ordering) => {
    const relay = (allow: 'lost-events'[] = [], options: Partial<RelayOptions> = {}) =>
      stage.relay(
        stage.publisher({
          ordering,
          stream: { name: stage.stream, create: true, allow: ['duplicate-window', ...allow] },
        }),
        options,
      )
    /** In the order of the stream, whether they came for the first time or again. */
    const storedEvents = async () => (await stage.stored()).map((id) => id?.replace(/\.r\d+$/, ''))

    it.each([
      ['created anew', () => stage.streams.delete(stage.stream), 0],
      ['shorter', () => losing(publishTen), 10],
    ] as const)('says that it is %s', async (reason, lose, kept) => {
      await publishTen()
      await lose()
      const wary = relay()
      const errors: Error[] = []
      wary.on('paused', ({ error }) => errors.push(error))
      await stage.write(10)
      await wary.start()
      await expect
        .poll(() => (errors.at(-1) as AnyOutboxError | undefined)?.code)
        .toBe('ERR_OUTBOX_DESTINATION_LOST')
      expect(errors.at(-1)).toMatchObject({ details: { stream: stage.stream, reason } })
      await wary.stop()
      expect(await stage.stored()).toHaveLength(kept)

      await relay(['lost-events']).drain()
      const ids = await stage.logged()
      expect(await stage.stored()).toEqual([...ids.slice(0, kept), ...ids.slice(-10)])
      await relay(['lost-events']).drain()
    })

    it.each([
      ['before the next event', 10],
      ['while no event comes', 0],
    ])('publishes again what the log retains when it was created anew %s', async (_, events) => {
      await publishTen()
      const wary = relay([], { leaseMs: 2000 })
      await wary.start()
      await stage.streams.delete(stage.stream)
      await stage.publisher({ ordering }).prepare({ leaseMs: 2000, signal: new AbortController().signal })
      await stage.write(events)
      await expect.poll(() => wary.status().state).toBe('destinationLost')
      expect(await stage.stored()).toEqual([])

      const [first] = await stage.events()
      await replay(stage.open.db, { from: { position: first!.position } })
      await wary.drain()
      expect(await storedEvents()).toEqual(await stage.logged())
      await stage.write(5)
      await wary.drain()
      expect(await storedEvents()).toEqual(await stage.logged())
      await wary.stop()
    })

    it('publishes again into a stream that is shorter, unless that would break its order', async () => {
      await publishTen()
      await losing(publishTen)
      const wary = relay()
      await wary.start()
      await expect.poll(() => wary.status().state).toBe('destinationLost')
      const events = await stage.events()
      await replay(stage.open.db, { from: { eventId: events[10]!.id } })
      if (ordering === 'stream') {
        await expect
          .poll(() => (wary.status().error as AnyOutboxError | undefined)?.code)
          .toBe('ERR_OUTBOX_REPLAY_REFUSED')
        expect(await stage.stored()).toHaveLength(10)
      } else {
        await wary.drain()
        expect(await storedEvents()).toEqual(await stage.logged())
      }
      await wary.stop()
    })

    it.each([
      ['since it was last published to', async () => {}, async () => {}],
      ['long ago', publishTen, () => stage.streams.purge(stage.stream)],
    ])(
      'goes on with one that was edited between two starts of its server, the first %s',
      async (_, between, after) => {
        await publishTen()
        await stage.restart()
        await between()
        await stage.streams.update(stage.stream, { description: 'edited' })
        await after()
        await stage.restart()
        const { created } = await stage.streams.info(stage.stream)
        await publishTen()
        expect((await stage.stored()).slice(-10)).toEqual((await stage.logged()).slice(-10))
        expect((await stage.streams.info(stage.stream)).created).toBe(created)
      },
    )

    async function publishTen(): Promise<void> {
      await stage.write(10)
      await relay().drain()
    }
  })
})
