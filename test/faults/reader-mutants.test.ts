/** The harness of the reader, tried on readers that are known to be wrong: each must be found out. */
import { describe, expect, it } from 'vitest'
import { LogReader } from '../../src/event-log/log-reader.js'
import { runSeed } from '../support/random.js'
import { crashOfABackend } from './crash-of-a-backend.js'
import { noFaults } from './find-faults.js'
import { checkpointBeforeAck } from './mutants/checkpoint-before-ack.js'
import { orderByXid } from './mutants/order-by-xid.js'
import { positionAfterLast } from './mutants/position-after-last.js'
import { snapshotInMemory } from './mutants/snapshot-in-memory.js'
import { randomRun } from './random-run.js'
import { deathBeforeDelivery, earlyIdLateEvent, earlyPositionLateCommit } from './schedules.js'

const mutants = [
  { mutant: 'order by xid', load: orderByXid, schedule: earlyIdLateEvent, fault: 'outOfOrder' },
  {
    mutant: 'position > last',
    load: positionAfterLast,
    schedule: earlyPositionLateCommit,
    fault: 'lost',
  },
  {
    mutant: 'checkpoint before ack',
    load: checkpointBeforeAck,
    schedule: deathBeforeDelivery,
    fault: 'lost',
  },
] as const

describe.each(mutants)('$mutant', ({ load, schedule, fault }) => {
  it('is found out by a schedule that the product passes', async () => {
    expect(await schedule(LogReader.load)).toEqual(noFaults)
    expect((await schedule(load))[fault]).not.toEqual([])
  })

  it(`is found out by random transactions (seed ${runSeed})`, async () => {
    // The first nearly always does it: how the transactions interleave is up to the machine.
    for (let seed = runSeed; seed < runSeed + 5; seed++) {
      const run = await randomRun({ load, seed, driver: 'node-postgres', transactions: 150 })
      if (run.faults[fault].length > 0) return
    }
    expect.fail('five runs, and it looks right')
  })
})

describe('a snapshot in memory', () => {
  it('loses events when the database crashes', async () => {
    const { faults, idsRewound } = await crashOfABackend(snapshotInMemory)
    expect(idsRewound).toBeGreaterThan(0)
    expect(faults.lost).not.toEqual([])
  })

  it('is why a window is stored before it is read: that loses none', async () => {
    const { faults, idsRewound } = await crashOfABackend(LogReader.load)
    expect(idsRewound).toBeGreaterThan(0)
    expect(faults).toEqual(noFaults)
  })
})
