/** Many programs on one database, several at a time, and the checker's verdict. */
import { recordedEvents } from 'drizzle-outbox/testing'
import { type Db, type Driver, openDatabase } from '../../support/outbox-databases.js'
import { Random } from '../../support/random.js'
import { freshDatabase } from '../../support/servers.js'
import { findSavepointFaults, type SavepointFaults } from './find-faults.js'
import { createTables, marksIn } from './jobs.js'
import { planProgram } from './program.js'
import { type Outcome, runProgram } from './run-program.js'

export interface CampaignOptions {
  readonly driver: Driver
  readonly seed: number
  readonly programs: number
  /** In place of the database with an outbox: a mutant of it. */
  readonly mutate?: (db: Db) => Db
}

export interface Campaign {
  readonly faults: SavepointFaults
  /** What was seen: a campaign without any of it has shown nothing. */
  readonly counts: Readonly<Record<'events' | 'rows' | 'committed' | 'rolledBack' | 'hooks', number>>
}

const AT_A_TIME = 6

export async function savepointCampaign(options: CampaignOptions): Promise<Campaign> {
  const { driver, seed, programs, mutate = (db) => db } = options
  const database = await freshDatabase()
  const open = openDatabase(database.url, driver, { connections: AT_A_TIME })
  try {
    await createTables(open)
    const db = mutate(open.db)
    const random = new Random(seed)
    const plans = random.times(programs, (index) => planProgram(random, `p${index}`)).reverse()
    const outcomes: Outcome[] = []
    const work = async () => {
      for (let plan = plans.pop(); plan !== undefined; plan = plans.pop())
        outcomes.push(await runProgram(db, plan))
    }
    await Promise.all(Array.from({ length: AT_A_TIME }, work))

    const log = await recordedEvents(open.db)
    const rows = await marksIn(open)
    const faults = findSavepointFaults(outcomes, log, rows)
    const attempts = outcomes.flatMap((outcome) => outcome.attempts)
    return {
      faults,
      counts: {
        events: log.length,
        rows: rows.size,
        committed: attempts.filter(({ resolved }) => resolved).length,
        rolledBack: attempts.filter(({ resolved }) => !resolved).length,
        hooks: attempts.flatMap(({ hooks }) => hooks).filter(({ runs }) => runs > 0).length,
      },
    }
  } finally {
    await open.close()
    await database.drop()
  }
}
