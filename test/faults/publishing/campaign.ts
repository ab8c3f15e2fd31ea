/** A relay that publishes while its broker is in trouble, judged by the stream that it leaves. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { StreamConfig } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import { createRelay } from 'drizzle-outbox'
import { jetStreamPublisher, type StreamRisk } from 'drizzle-outbox/jetstream'
import { openDatabase } from '../../support/outbox-databases.js'
import { Random } from '../../support/random.js'
import { freshDatabase } from '../../support/servers.js'
import { createTables } from '../accounts.js'
import { findStreamFaults, type StreamFaults } from '../find-stream-faults.js'
import { IMPATIENT } from '../impatient.js'
import { Journal } from '../journal.js'
import { writeEvents } from '../publish-load.js'
import { readStream } from '../read-stream.js'
import { HandoverRecord } from './handover-record.js'
import { type Figures, Observer } from './observe.js'
import { PUBLISH_TIMEOUT, type Trouble } from './troubles.js'

export const orderings = ['aggregate', 'stream'] as const
export type Ordering = (typeof orderings)[number]

export interface CampaignOptions {
  /** Where the relay connects to. */
  readonly servers: string | string[]
  /** Where the stream is read back. Default: there, too. */
  readonly readFrom?: string
  /** A name that no other campaign has on this server. */
  readonly stream: string
  readonly ordering: Ordering
  readonly seed: number
  readonly events: number
  /** Between two transactions of a writer, while the relay publishes. Default: 5. Milliseconds. */
  readonly pauseMs?: number
  /** One after the other, spread over the events. */
  readonly troubles: readonly Trouble[]
  readonly config?: Partial<StreamConfig>
  readonly allow?: readonly StreamRisk[]
  /** Default: the product's. */
  readonly makePublisher?: typeof jetStreamPublisher
  /** When a relay is given up that publishes nothing. Default: 60000. Milliseconds. */
  readonly patienceMs?: number
}

export interface Campaign {
  readonly faults: StreamFaults
  readonly figures: Figures
}

export async function publishThrough(options: CampaignOptions): Promise<Campaign> {
  const { servers, stream, ordering, events, pauseMs = 5, patienceMs = 60_000 } = options
  const random = new Random(options.seed)
  const database = await freshDatabase()
  const open = openDatabase(database.url)
  await createTables(open)
  const record = new HandoverRecord(makePublisher(options, random))
  const relay = createRelay({
    db: open.db,
    publisher: record.publisher,
    batchSize: 20 + random.below(480),
    leaseMs: 2000,
    minBackoffMs: 10,
    maxBackoffMs: 100,
  })
  const observer = new Observer(relay, patienceMs)
  const { figures, givenUp } = observer
  const astray = (count: number) => {
    figures.astray += count
  }

  async function makeTrouble(): Promise<void> {
    const at = options.troubles.map((_, n) => ((n + random.next()) / (options.troubles.length + 1)) * events)
    for (const [n, { name, befall }] of options.troubles.entries()) {
      while (figures.published < at[n]!) await sleep(1, undefined, { signal: givenUp })
      await sleep(random.below(10))
      await befall({ stream, random, relay, astray })
      observer.troubleIsOver(name)
    }
  }

  /** A relay that was given up leaves a stream to be judged all the same. */
  const unlessGivenUp = (error: unknown) => {
    if (!givenUp.aborted) throw error
  }

  const journal = new Journal()
  try {
    // One long window, and many short ones.
    await writeEvents(open.db, journal, random, Math.floor(events / 2), async () => {})
    await relay.start()
    const writing = writeEvents(open.db, journal, random, Math.ceil(events / 2), () => sleep(pauseMs))
    await Promise.all([writing, makeTrouble().catch(unlessGivenUp)])
    await relay.drain({ signal: givenUp }).catch(unlessGivenUp)
    const messages = await readStream(options.readFrom ?? servers, stream)
    const sequence = ordering === 'stream' ? record.ids : undefined
    return { faults: findStreamFaults(journal, messages, stream, sequence), figures }
  } finally {
    observer.end()
    await relay.stop(givenUp.aborted ? { timeoutMs: 0 } : {})
    await open.close()
    await database.drop()
  }
}

function makePublisher(options: CampaignOptions, random: Random) {
  const { servers, stream, ordering, config = {}, allow = [] } = options
  const make = options.makePublisher ?? jetStreamPublisher
  return make({
    connection: () => connect({ servers, ...IMPATIENT }),
    stream: { name: stream, create: config, allow },
    ordering,
    publishTimeoutMs: PUBLISH_TIMEOUT,
    window: 1 + random.below(256),
  })
}
