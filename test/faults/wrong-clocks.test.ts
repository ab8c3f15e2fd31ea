/** Relays on hosts whose clocks are wrong: only the database's clock counts. */

import { readOutboxStatus } from 'drizzle-outbox'
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

const HOUR_MS = 3_600_000
const EVENTS = 50

describeWithPrivateNats('relays with wrong clocks', (nats) => {
  const fresh = eachInDatabase()

  it.each([
    [HOUR_MS, -HOUR_MS],
    [-HOUR_MS, HOUR_MS],
  ])('neither lose the lease early nor keep it too long (%i and %i ms ahead)', async (first, second) => {
    const { open, url } = fresh()
    const stream = first > 0 ? 'AHEAD' : 'BEHIND'
    const settings = { databaseUrl: url, natsUrl: nats().url, stream, ordering: 'stream' } as const
    const journal = new Journal()
    const random = new Random(runSeed)
    const write = () => writeEvents(open.db, journal, random, EVENTS, async () => {})
    const leader = startRelay({ ...settings, clockMs: first })
    expect(await leader.says('leads')).toEqual([1])
    const standby = startRelay({ ...settings, clockMs: second })
    // For several times as long as a lease lasts.
    for (let round = 0; round < 8; round++) {
      await write()
      for (let left = EVENTS; left > 0; ) left -= (await leader.says('published'))[0] ?? 0
      await new Promise((resolve) => setTimeout(resolve, 300))
    }
    const { relays } = await readOutboxStatus(open.db)
    expect(relays.map(({ epoch }) => epoch)).toEqual([1])
    process.kill(leader.pid, 'SIGKILL')
    await write()
    expect(await standby.says('leads')).toEqual([2])
    for (let left = EVENTS; left > 0; ) left -= (await standby.says('published'))[0] ?? 0
    const sequence = (await recordedEvents(open.db)).map(({ id }) => id)
    const messages = await readStream(nats().url, stream)
    expect(findStreamFaults(journal, messages, stream, sequence)).toEqual(noStreamFaults)
  })
})
