/** The demo itself: shop, relay and consumer at work, and then the comparison. */
import type { Publisher } from 'drizzle-outbox'
import { recordedEvents } from 'drizzle-outbox/testing'
import { createTables } from '../../examples/quickstart/create-tables.js'
import { createDb, createPool } from '../../examples/quickstart/db.js'
import { startRelay } from '../../examples/quickstart/relay.js'
import type { Venue } from '../servers/index.js'
import { check, type Findings } from './checker.js'
import { openJetStream } from './jetstream-destination.js'
import { Ledger } from './ledger.js'
import { openMemory } from './memory-destination.js'
import type { Progress } from './progress.js'
import { createReport, type Report } from './report.js'
import { CUSTOMERS, runShopFloor } from './shop-floor.js'
import { bar, count } from './text.js'

export interface DemoOptions {
  readonly venue: Pick<Venue, 'databaseUrl' | 'natsUrl' | 'stream'>
  readonly orders: number
  /** Decides what happens to each order. @default 1 */
  readonly seed?: number
  readonly signal: AbortSignal
  readonly progress: Progress
  /** For tests: a publisher that loses or swaps events, to see that the demo notices. */
  readonly wrapPublisher?: (publisher: Publisher) => Publisher
}

export async function runDemo(options: DemoOptions): Promise<{ report: Report; findings: Findings }> {
  const { venue, orders, seed = 1, progress, wrapPublisher = (publisher) => publisher } = options
  const broken = new AbortController()
  const signal = AbortSignal.any([options.signal, broken.signal])
  const ledger = new Ledger()

  const pool = createPool(venue.databaseUrl)
  await using _pool = { [Symbol.asyncDispose]: () => pool.end() }
  const db = createDb(pool)
  await createTables(db)
  await using destination = venue.natsUrl ? await openJetStream(venue.natsUrl, venue.stream) : openMemory()
  await using relay = await startRelay(db, wrapPublisher(destination.publisher))
  await destination.receive((error) => broken.abort(error))

  let done = 0
  progress.follow(() => {
    const figures = [
      `${bar(done / orders)} ${count(done)} of ${count(orders)} orders`,
      `${count(ledger.committed.length)} committed`,
      `${count(destination.received.length)} received`,
    ]
    return figures.join(' · ')
  })
  const startedAt = performance.now()
  const onOrder = () => {
    done++
  }
  await runShopFloor(db, { orders, seed, ledger, signal, onOrder })
  await relay.drain({ signal })
  await destination.caughtUp(signal)
  progress.end()

  const outcome = {
    destination: destination.name,
    orders,
    customers: CUSTOMERS,
    committed: ledger.committed,
    rolledBack: ledger.rolledBack,
    log: await recordedEvents(db),
    published: relay.status().published,
    received: destination.received,
    startedAt,
  }
  const findings = check(outcome)
  return { report: createReport(outcome, findings), findings }
}
