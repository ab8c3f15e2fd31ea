/** A relay that freezes, or whose event loop is blocked, past its lease, and wakes long after its successor has published what it was about to send. */
import { setTimeout as sleep } from 'node:timers/promises'
import { recordedEvents } from 'drizzle-outbox/testing'
import { expect, it } from 'vitest'
import { describeWithPrivateNats } from '../support/private-nats.js'
import { Random, runSeed } from '../support/random.js'
import { eachInDatabase } from './each-in-database.js'
import { findStreamFaults, noStreamFaults } from './find-stream-faults.js'
import { Journal } from './journal.js'
import { writeEvents } from './publish-load.js'
import { readStream } from './read-stream.js'
import { startRelay } from './start-relay.js'

const EVENTS = 600
const BATCH = 100
const WINDOW = 100

describeWithPrivateNats('a frozen relay', (nats) => {
  const fresh = eachInDatabase()

  it.each([
    // Where the server soon forgets which ids it has seen, and where it does not.
    { ordering: 'stream', freezes: 'may send', duplicateWindowMs: WINDOW },
    { ordering: 'stream', freezes: 'tail read', duplicateWindowMs: WINDOW },
    { ordering: 'aggregate', freezes: 'may send', duplicateWindowMs: 120_000 },
    { ordering: 'stream', freezes: 'may send', duplicateWindowMs: WINDOW, blocksMs: 8000 },
  ] as const)(
    'adds nothing to the stream when it wakes ($ordering, $freezes, $blocksMs), and goes on when it leads again',
    async ({ ordering, freezes, duplicateWindowMs, ...how }) => {
      const { open, url } = fresh()
      const random = new Random(runSeed)
      const stream = `FROZEN_${ordering}_${freezes.slice(0, 3)}_${Object.keys(how)}`.toUpperCase()
      const settings = {
        databaseUrl: url,
        natsUrl: nats().url,
        stream,
        ordering,
        batchSize: BATCH,
        duplicateWindowMs,
      }
      const journal = new Journal()
      await writeEvents(open.db, journal, random, EVENTS, async () => {})
      if (freezes === 'tail read') {
        const killed = startRelay(settings)
        await killed.says('published')
        process.kill(killed.pid, 'SIGKILL')
        await killed.ended
      }
      const frozen = startRelay({ ...settings, freezes, ...how })
      await frozen.says('frozen')
      await startRelay({ ...settings, drains: true }).says('drained')
      await sleep(3 * WINDOW)
      if (!('blocksMs' in how)) process.kill(frozen.pid, 'SIGCONT')
      const [sent = 0] = await frozen.says('woken')
      // Or it has not tried.
      if (freezes === 'may send') expect(sent).toBeGreaterThan(BATCH / 4)

      await writeEvents(open.db, journal, random, BATCH, async () => {})
      for (let left = BATCH; left > 0; ) left -= (await frozen.says('published'))[0] ?? 0
      const messages = await readStream(nats().url, stream)
      const inLog = (await recordedEvents(open.db)).slice(0, EVENTS).map(({ id }) => id)
      const later = messages.slice(EVENTS).map(({ headers }) => headers['Nats-Msg-Id']?.[0] ?? '')
      const sequence = ordering === 'stream' ? [...inLog, ...later] : undefined
      expect(findStreamFaults(journal, messages, stream, sequence)).toEqual(noStreamFaults)
    },
  )
})
