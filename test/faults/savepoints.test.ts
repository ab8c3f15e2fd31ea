/**
 * Random programs of nested savepoints. `OUTBOX_TEST_PROGRAMS` asks for more of them (10,000 is a campaign),
 * `OUTBOX_TEST_SEED` for those of an earlier run, and `OUTBOX_TEST_FIGURES` for what was counted.
 */
import { describe, expect, it } from 'vitest'
import { drivers } from '../support/outbox-databases.js'
import { runSeed } from '../support/random.js'
import { savepointCampaign } from './savepoints/campaign.js'
import { noSavepointFaults } from './savepoints/find-faults.js'

const programs = Number(process.env.OUTBOX_TEST_PROGRAMS ?? 150)

describe.each(drivers)('random programs over %s', (driver) => {
  it(`leave in the log what their savepoints keep (seed ${runSeed})`, async () => {
    const { faults, counts } = await savepointCampaign({ driver, seed: runSeed, programs })
    if (process.env.OUTBOX_TEST_FIGURES) console.log({ driver, seed: runSeed, ...counts })
    expect(faults).toEqual(noSavepointFaults())
    // Or the programs have shown nothing.
    for (const count of [counts.committed, counts.rolledBack, counts.hooks, counts.events])
      expect(count).toBeGreaterThan(programs / 10)
  }, 1_200_000)
})
