/**
 * Relays that are killed while events are in flight, and their broker with some of them; then the whole stream is read
 * back. More events with `OUTBOX_TEST_EVENTS`, more kills with `OUTBOX_TEST_TROUBLES`, and the counts with
 * `OUTBOX_TEST_FIGURES`.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { recordedEvents } from 'drizzle-outbox/testing'
import { expect, it } from 'vitest'
import { describeWithPrivateNats } from '../support/private-nats.js'
import { Random, runSeed } from '../support/random.js'
import { eachInDatabase } from './each-in-database.js'
import { findStreamFaults, noStreamFaults } from './find-stream-faults.js'
import { Journal } from './journal.js'
import { writeEvents } from './publish-load.js'
import { orderings } from './publishing/campaign.js'
import { readStream } from './read-stream.js'
import { startRelay } from './start-relay.js'

const events = Number(process.env.OUTBOX_TEST_EVENTS ?? 4000)
const kills = Number(process.env.OUTBOX_TEST_TROUBLES ?? 2)

describeWithPrivateNats('a stream', (nats) => {
  const fresh = eachInDatabase()

  it.each(orderings)(
    `has every event once, in order, after kills of its relay, with ordering %s (seed ${runSeed})`,
    async (ordering) => {
      const { open, url } = fresh()
      const random = new Random(runSeed)
      const stream = `RELAYED_${ordering.toUpperCase()}`
      const settings = { databaseUrl: url, natsUrl: nats().url, stream, ordering, batchSize: 200 }
      const journal = new Journal()
      // In one window, whose order is that of the log. Each relay finds more than it lives to publish.
      await writeEvents(open.db, journal, random, events, async () => {})
      const counted = { published: 0, duplicates: 0 }
      const count = ([published = 0, duplicates = 0]: number[]) => {
        counted.published += published
        counted.duplicates += duplicates
      }
      for (let kill = 0; kill < kills; kill++) {
        const relay = startRelay(settings)
        for (let pages = 1 + random.below(events / kills / 200); pages > 0; pages--)
          count(await relay.says('published'))
        await sleep(random.below(15))
        process.kill(relay.pid, 'SIGKILL')
        if (kill % 2 === 1) await nats().kill()
        expect(await relay.ended).toEqual([null, 'SIGKILL'])
        if (kill % 2 === 1) await nats().restart()
      }
      const last = startRelay({ ...settings, drains: true })
      await last.says('drained', (_, numbers) => count(numbers))

      const sequence = (await recordedEvents(open.db)).map(({ id }) => id)
      const messages = await readStream(nats().url, stream)
      const faults = findStreamFaults(journal, messages, stream, ordering === 'stream' ? sequence : undefined)
      if (process.env.OUTBOX_TEST_FIGURES)
        console.log({ version: nats().version, ordering, seed: runSeed, events, kills, ...counted })
      expect(faults).toEqual(noStreamFaults)
      expect(journal.entries.size).toBe(events)
      // Or no relay was killed between a page and its checkpoint.
      expect(counted.duplicates).toBeGreaterThan(0)
    },
    3_600_000,
  )
})
