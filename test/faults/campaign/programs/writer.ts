/**
 * A writer of a campaign: random transactions, many at a time, at a steady rate. Keeps a ledger of what it knows. Ends
 * what it has begun on SIGTERM.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { isOutboxError, resolveCommit } from 'drizzle-outbox'
import { openDatabase } from '../../../support/outbox-databases.js'
import { Random } from '../../../support/random.js'
import { carryOut, endAsPlanned, isPlanned, noCounts } from '../../run-transaction.js'
import { planTransaction } from '../../transaction-plan.js'
import { type Ending, LedgerWriter } from '../ledger.js'

export interface WriterProgramOptions {
  readonly databaseUrl: string
  readonly driver: 'node-postgres' | 'postgres.js'
  readonly ledger: string
  readonly seed: number
  readonly aggregates: number
  /** Events per second, at most. */
  readonly rate: number
  readonly notifies: boolean
  readonly connections: number
}

/** With `at`: what became of transactions since the last time. */
export interface WriterTold {
  readonly type: 'wrote'
  readonly events: number
  readonly committed: number
  /** On purpose. */
  readonly undone: number
  /** Because of the nemesis, or a deadlock. */
  readonly failed: number
  /** COMMITs that nobody heard the end of, and what was found out about them. */
  readonly resolved: number
  readonly unresolved: number
}

const CONCURRENCY = 6

const options: WriterProgramOptions = JSON.parse(process.argv[2] ?? '')
const { driver, aggregates, rate } = options
const mix = { aggregates, events: 10, conflicts: 0.05 }
const { db } = openDatabase(options.databaseUrl, driver, {
  connections: options.connections,
  settings: { deadlock_timeout: '20ms' },
  // A connection that is lost while postgres.js asks for the types of arrays ends the process: nobody can catch that.
  client: { fetch_types: false },
  outbox: { notify: options.notifies },
})
const ledger = new LedgerWriter(options.ledger)
const random = new Random(options.seed)
const nothing = { events: 0, committed: 0, undone: 0, failed: 0, resolved: 0, unresolved: 0 }
let counts = { ...nothing }
let written = 0
let stopping = false
const startedAt = performance.now()

async function write(): Promise<void> {
  const plan = planTransaction(random, mix)
  let number: number | undefined
  let events = 0
  let over = false
  const ended = (ending: Ending) => {
    over = true
    if (number !== undefined) ledger.ended(number, ending)
    if (ending === 'committed') counts.events += events
  }
  try {
    await db.transaction(async (tx) => {
      const entries = await carryOut(tx, plan, noCounts())
      events = entries.length
      number = ledger.intend(entries)
      if (over) ledger.ended(number, 'rolled back') // the callback of a lost transaction runs on
      endAsPlanned(tx, plan)
    })
    ended('committed')
    counts.committed++
  } catch (error) {
    if (isOutboxError(error) && error.code === 'ERR_OUTBOX_COMMIT_UNKNOWN') {
      const outcome = await resolveCommit(error).catch(() => undefined)
      if (outcome === undefined) counts.unresolved++
      else {
        ended(outcome === 'committed' ? 'committed' : 'rolled back')
        counts.resolved++
      }
    } else {
      // Whatever else is thrown says that nothing was committed: the checker takes the library at its word.
      ended('rolled back')
      if (isPlanned(error)) counts.undone++
      else {
        counts.failed++
        await sleep(20)
      }
    }
  }
  written += events
}

function tell(): void {
  const told: WriterTold = { type: 'wrote', ...counts }
  counts = { ...nothing }
  console.log(JSON.stringify({ at: Date.now(), ...told }))
}

async function writeOn(): Promise<void> {
  while (!stopping) {
    await write()
    const early = startedAt + (1000 * written) / rate - performance.now()
    if (early > 0) await sleep(early)
  }
}

process.once('SIGTERM', () => {
  stopping = true
})
const telling = setInterval(tell, 250)
await Promise.all(Array.from({ length: CONCURRENCY }, writeOn))
clearInterval(telling)
tell()
process.exit() // a slot of postgres.js may hang for good
