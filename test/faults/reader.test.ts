/**
 * The log's reader against random concurrent transactions. `OUTBOX_TEST_TRANSACTIONS` asks for more of them,
 * `OUTBOX_TEST_SEED` for those of an earlier run, and `OUTBOX_TEST_FIGURES` for what was counted.
 */
import { describe, expect, it } from 'vitest'
import { LogReader } from '../../src/event-log/log-reader.js'
import { drivers } from '../support/outbox-databases.js'
import { runSeed } from '../support/random.js'
import { noFaults } from './find-faults.js'
import { randomRun } from './random-run.js'

const transactions = Number(process.env.OUTBOX_TEST_TRANSACTIONS ?? 300)

describe.each(drivers)('random transactions over %s', (driver) => {
  it(`are delivered once, in order, through restarts of the reader (seed ${runSeed})`, async () => {
    const run = await randomRun({ load: LogReader.load, seed: runSeed, driver, transactions })
    const { counts, reading, events } = run
    const { deliveries, ...read } = reading
    if (process.env.OUTBOX_TEST_FIGURES)
      console.log({ driver, seed: runSeed, ...counts, events, ...read, redelivered: deliveries.redelivered })

    expect(run.faults).toEqual(noFaults)
    expect(reading.unfenced).toBe(0)
    // Or the run has shown nothing.
    expect(counts.commits + counts.aborts).toBeGreaterThan(transactions / 2)
    for (const count of [counts.aborts, counts.savepointsRolledBack, read.restarts, read.takeovers])
      expect(count).toBeGreaterThan(0)
    expect(reading.pages).toBeGreaterThan(reading.windows)
  }, 600_000)
})
