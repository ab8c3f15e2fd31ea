/** One run of random transactions with a reader beside them, and the checker's verdict. */
import { setTimeout as sleep } from 'node:timers/promises'
import { readLog } from '../../src/event-log/read-log.js'
import { type Driver, openDatabase } from '../support/outbox-databases.js'
import { Random } from '../support/random.js'
import { freshDatabase } from '../support/servers.js'
import { createTables, SOURCE } from './accounts.js'
import { type Faults, findFaults } from './find-faults.js'
import { Journal } from './journal.js'
import { type Reading, readThroughRestarts } from './read-through-restarts.js'
import { type Counts, noCounts, runTransaction } from './run-transaction.js'
import type { Load } from './subject.js'
import { planTransaction } from './transaction-plan.js'

export interface RunOptions {
  readonly load: Load
  readonly seed: number
  readonly driver: Driver
  readonly transactions: number
}

export interface Run {
  readonly faults: Faults
  readonly counts: Counts
  readonly reading: Reading
  readonly events: number
}

const WRITERS = 12

export async function randomRun({ load, seed, driver, transactions }: RunOptions): Promise<Run> {
  const database = await freshDatabase()
  // The default of a second would make the deadlocks the slowest part.
  const writing = openDatabase(database.url, driver, {
    connections: WRITERS,
    settings: { deadlock_timeout: '20ms' },
  })
  const readingFrom = openDatabase(database.url, driver, { connections: 2 })
  try {
    await createTables(writing)
    const random = new Random(seed)
    const plans = random.times(transactions, () => planTransaction(random))
    const journal = new Journal()
    const counts = noCounts()
    let done = false

    const write = async () => {
      for (let plan = plans.pop(); plan !== undefined; plan = plans.pop())
        await runTransaction(writing.db, plan, journal, counts)
    }
    const writers = Promise.all(Array.from({ length: WRITERS }, write)).finally(() => {
      done = true
    })
    const chances = new Random(seed + 1)
    const [reading] = await Promise.all([
      readThroughRestarts(readingFrom.db, {
        load,
        writersDone: () => done,
        dies: () => chances.chance(0.03),
        raisesEpoch: () => chances.chance(0.5),
        checkpoints: () => chances.chance(0.8),
        idle: () => sleep(chances.chance(0.05) ? 60 : chances.below(8)),
      }),
      writers,
    ])
    const log = await readLog(readingFrom.db['~drizzle-outbox'].log, SOURCE)
    const faults = findFaults(journal, log, reading.deliveries)
    return { faults, counts, reading, events: journal.entries.size }
  } finally {
    await Promise.all([writing.close(), readingFrom.close()])
    await database.drop()
  }
}
