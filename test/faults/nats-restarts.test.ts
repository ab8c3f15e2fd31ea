/**
 * Servers and relays that are killed while events are in flight; then the whole stream is read back. The tests ask for
 * more events with `OUTBOX_TEST_EVENTS`, and tell what was counted with `OUTBOX_TEST_FIGURES`.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { connect } from '@nats-io/transport-node'
import { createRelay } from 'drizzle-outbox'
import { jetStreamPublisher } from 'drizzle-outbox/jetstream'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { Database } from '../../dev/servers/index.js'
import { startChild } from '../support/child.js'
import { type OpenDatabase, openDatabase } from '../support/outbox-databases.js'
import { describeWithPrivateNats } from '../support/private-nats.js'
import { Random, runSeed } from '../support/random.js'
import { freshDatabase } from '../support/servers.js'
import { createTables } from './accounts.js'
import { findStreamFaults, noStreamFaults } from './find-stream-faults.js'
import { Journal } from './journal.js'
import { writeEvents } from './publish-load.js'
import { readStream } from './read-stream.js'

const events = Number(process.env.OUTBOX_TEST_EVENTS ?? 20_000)
const KILLS = 6
const timeoutMs = process.env.OUTBOX_TEST_EVENTS === undefined ? 60_000 : 600_000

describeWithPrivateNats('a stream', (nats) => {
  let database: Database
  let open: OpenDatabase
  beforeEach(async () => {
    database = await freshDatabase()
    open = openDatabase(database.url)
    await createTables(open)
  })
  afterEach(async () => {
    await open.close()
    await database.drop()
  })

  it(
    `has every event once, in order, after kills of its server (seed ${runSeed})`,
    async () => {
      const random = new Random(runSeed)
      const relay = createRelay({
        db: open.db,
        batchSize: 500,
        minBackoffMs: 10,
        maxBackoffMs: 100,
        publisher: jetStreamPublisher({
          connection: () => connect({ servers: nats().url, maxReconnectAttempts: -1, reconnectTimeWait: 20 }),
          stream: { name: 'KILLED', create: true },
        }),
      })
      const counted = { published: 0, duplicates: 0, pauses: 0, interrupted: 0 }
      relay.on('published', ({ count, duplicates }) => {
        counted.published += count
        counted.duplicates += duplicates
      })
      relay.on('paused', ({ error }) => {
        counted.pauses++
        // Said of events that were in flight.
        if (error.message === 'the connection to NATS was lost') counted.interrupted++
      })
      await relay.start()

      const journal = new Journal()
      const killAt = random.times(KILLS, (n) => ((n + random.next()) / (KILLS + 1)) * events)
      const writersFailed = new AbortController()
      const kills = (async () => {
        for (const at of killAt) {
          while (counted.published < at) await sleep(1, undefined, { signal: writersFailed.signal })
          await sleep(random.below(10))
          await nats().kill()
          await sleep(random.below(300))
          await nats().restart()
        }
      })()
      const writing = writeEvents(open.db, journal, random, events, () => sleep(5))
      writing.catch((error) => writersFailed.abort(error))
      await Promise.all([writing, kills])
      await relay.drain()
      await relay.stop()

      const faults = findStreamFaults(journal, await readStream(nats().url, 'KILLED'), 'KILLED')
      if (process.env.OUTBOX_TEST_FIGURES) console.log({ seed: runSeed, events, kills: KILLS, ...counted })
      expect(faults).toEqual(noStreamFaults)
      expect(journal.entries.size).toBe(events)
      expect(counted.published).toBe(events)
      expect(counted.interrupted).toBeGreaterThan(0)
    },
    timeoutMs,
  )

  it(
    `has every event once, in order, after kills of its relay (seed ${runSeed})`,
    async () => {
      const random = new Random(runSeed)
      const start = (mode: string) =>
        startChild(
          new URL('fixtures/relay-process.ts', import.meta.url),
          database.url,
          nats().url,
          'RELAYED',
          mode,
        )
      const journal = new Journal()
      const counted = { published: 0, duplicates: 0 }
      const count = (line: string | undefined) => {
        const [, published = '0', duplicates = '0'] = line?.split(' ') ?? []
        counted.published += Number(published)
        counted.duplicates += Number(duplicates)
      }
      // Each relay finds more than it lives to publish.
      const writing = writeEvents(open.db, journal, random, events, () => Promise.resolve())
      for (let kill = 0; kill < KILLS; kill++) {
        const relay = start('until killed')
        for (let pages = 1 + random.below(3); pages > 0; pages--) count(await relay.line())
        await sleep(random.below(15))
        process.kill(relay.pid, 'SIGKILL')
        expect(await relay.ended).toEqual([null, 'SIGKILL'])
      }
      await writing
      const last = start('drain')
      let line = await last.line()
      for (; line?.startsWith('published'); line = await last.line()) count(line)
      expect(line).toBe('drained')

      const faults = findStreamFaults(journal, await readStream(nats().url, 'RELAYED'), 'RELAYED')
      if (process.env.OUTBOX_TEST_FIGURES) console.log({ seed: runSeed, events, kills: KILLS, ...counted })
      expect(faults).toEqual(noStreamFaults)
      expect(journal.entries.size).toBe(events)
      // Or no relay was killed between a page and its checkpoint.
      expect(counted.duplicates).toBeGreaterThan(0)
    },
    timeoutMs,
  )
})
