/** Mistakes to seed into the product: a campaign is trusted because it finds them. */
import type { CampaignOptions } from './campaign.js'
import type { KindOfFinding } from './findings.js'

export interface Bug {
  readonly name: string
  /** To the source of the product, on its way into the programs of the campaign. */
  readonly changes: readonly Change[]
  /** What it comes to. */
  readonly found: KindOfFinding
  /** A campaign that it does not survive for seconds. */
  readonly campaign: Partial<CampaignOptions>
}

interface Change {
  /** Below `src`. */
  readonly file: string
  /** The file must have this once. */
  readonly find: string
  readonly replace: string
}

/** One crew, whose lease soon lapses. */
const quick = {
  orderings: ['aggregate'],
  relays: 2,
  leaseMs: 800,
  publishTimeoutMs: 300,
  pauseMs: 600,
  rate: 1000,
} as const satisfies Partial<CampaignOptions>

/** Whatever comes late is stored again. */
const forgetful = { ...quick, duplicateWindowMs: 100, publishTimeoutMs: 600, leaseMs: 1500 }

/** One of those that the tests of the reader know. */
function readBy(mutant: string, file: string): Change[] {
  const args = '(log, this.#lease.claim, source)'
  const load = `await LogReader.load${args}`
  const firstImport = "import { LogReader } from '../event-log/log-reader.js'"
  const imports = [
    firstImport,
    `import { ${mutant} } from '../../test/faults/mutants/${file}'`,
    "import { beside } from '../../test/faults/mutants/beside.js'",
  ]
  return [
    { file: 'relay/leader.ts', find: load, replace: `beside(${load}, await ${mutant}${args})` },
    { file: 'relay/leader.ts', find: firstImport, replace: imports.join('\n') },
  ]
}

/** Takes some answers that are none for an acknowledgement. */
function answersTaken(condition: string, duplicate: boolean): Change[] {
  const file = 'publishers/jetstream/pipeline.ts'
  const find = 'this.#decide(entry, result)\n    if (this.#inFlight'
  const taken = `{ seq: entry.page.after + 1, duplicate: ${duplicate} }`
  const replace = `this.#decide(entry, 'code' in result && ${condition} ? ${taken} : result)\n    if (this.#inFlight`
  return [{ file, find, replace }]
}

export const bugs: readonly Bug[] = [
  {
    name: 'orders by transaction id',
    changes: readBy('orderByXid', 'order-by-xid.js'),
    found: 'outOfOrder',
    campaign: { ...quick, aggregates: 8, faults: ['relay killed'] },
  },
  {
    name: 'reads what is after the last position',
    changes: readBy('positionAfterLast', 'position-after-last.js'),
    found: 'lost',
    campaign: { ...quick, faults: [] },
  },
  {
    name: 'keeps its snapshot in memory',
    changes: readBy('snapshotInMemory', 'snapshot-in-memory.js'),
    found: 'lost',
    campaign: {
      ...quick,
      faults: ['PostgreSQL crashed after rollbacks'],
      // Nothing else may bring those ids to the disk; and who asks while there is no database begins anew.
      relays: 1,
      leaseMs: 30_000,
      maxPollMs: 5000,
    },
  },
  {
    name: 'checkpoints before the acknowledgement',
    changes: readBy('checkpointBeforeAck', 'checkpoint-before-ack.js'),
    found: 'lost',
    campaign: { ...quick, faults: ['relay killed, and its packets lost'] },
  },
  {
    name: 'takes over without waiting for the lease',
    changes: [
      {
        file: 'event-log/relay-row.ts',
        find: 'where relay.lease_until is null or relay.lease_until < clock_timestamp() or relay.owner = excluded.owner',
        replace: '',
      },
    ],
    found: 'duplicated',
    campaign: { ...forgetful, faults: ['slow link'] },
  },
  {
    name: 'has two events of an aggregate in flight',
    changes: [
      {
        file: 'publishers/jetstream/lanes.ts',
        find: 'const before = this.#last.get(aggregateId)',
        replace: 'const before = undefined as Entry | undefined',
      },
    ],
    found: 'outOfOrder',
    campaign: { ...quick, aggregates: 8, faults: ['unavailable for some'] },
  },
  {
    name: 'takes sequence 0 for stored',
    changes: answersTaken('/^the acknowledgement does not say/.test(result.message)', false),
    found: 'lost',
    campaign: { ...quick, faults: ['answered, and not stored'] },
  },
  {
    name: 'takes no responders for stored',
    changes: answersTaken('/^no stream listens/.test(result.message)', false),
    found: 'lost',
    campaign: { ...quick, faults: ['subjects taken away'] },
  },
  {
    name: 'takes a misplaced event for stored',
    changes: answersTaken("result.code === 'ERR_OUTBOX_FENCED'", true),
    found: 'lost',
    campaign: { ...quick, orderings: ['stream'], faults: ['unavailable for some'] },
  },
  {
    name: 'passes a refused event over',
    changes: answersTaken("result.code === 'ERR_OUTBOX_EVENT_REFUSED'", true),
    found: 'lost',
    campaign: { ...quick, faults: ['refused for some'] },
  },
  {
    name: 'expects no stream',
    changes: [
      {
        file: 'publishers/jetstream/message-writer.ts',
        find: 'this.#expectedStream = `Nats-Expected-Stream: ${stream}\\r\\n`',
        replace: "this.#expectedStream = ''",
      },
    ],
    found: 'astray',
    campaign: { ...quick, faults: ['subjects taken over'] },
  },
  {
    name: 'sends again under another id',
    changes: [
      {
        file: 'publishers/jetstream/message-writer.ts',
        find: 'let headers = `Nats-Msg-Id: ${messageId(event)}\\r\\n',
        replace: `const attempt = (attempts.get(event.id) ?? 0) + 1
    attempts.set(event.id, attempt)
    let headers = \`Nats-Msg-Id: \${event.id}\${attempt > 1 ? attempt : ''}\\r\\n`,
      },
      {
        file: 'publishers/jetstream/message-writer.ts',
        find: '/** Headers that are bytes already.',
        replace: 'const attempts = new Map<string, number>()\n\n/** Headers that are bytes already.',
      },
    ],
    found: 'phantom',
    campaign: { ...quick, faults: ['unavailable for some'] },
  },
  {
    name: 'reads no tail',
    changes: [
      {
        file: 'publishers/jetstream/jetstream-publisher.ts',
        find: 'unsettled ? await readTail(session.connection, manager, tail) : new Set<string>()',
        replace: 'new Set<string>()',
      },
    ],
    found: 'duplicated',
    campaign: { ...forgetful, faults: ['acknowledgements lost, then relay killed'] },
  },
  {
    name: 'goes on without what was not acknowledged',
    changes: [
      {
        file: 'relay/window-publisher.ts',
        find: 'await this.#handover.settle(done.map(({ offer }) => offer))',
        replace: '',
      },
    ],
    found: 'lost',
    campaign: { ...quick, faults: ['unavailable for some'] },
  },
  {
    name: 'closes its window when it is stopped',
    changes: [{ file: 'relay/window-publisher.ts', find: 'if (!this.#ended) return false', replace: '' }],
    found: 'lost',
    campaign: { ...quick, batchSize: 10, faults: ['slow link', 'relay stopped'] },
  },
  {
    name: 'is woken by notifications alone',
    changes: [
      {
        file: 'relay/leader.ts',
        find: 'wake.wait(Math.min(this.#pollMs, retries.dueInMs), stopping)',
        replace: 'wake.wait(2 ** 30, stopping)',
      },
    ],
    found: 'lost',
    campaign: { ...quick, notify: false, faults: [] },
  },
  {
    name: 'lets data through jsonb',
    changes: [{ file: 'event-log/event-row.ts', find: ' data::text', replace: ' data::jsonb::text' }],
    found: 'changed',
    campaign: { ...quick, faults: [] },
  },
  {
    name: 'keeps what a savepoint rolled back',
    changes: [
      {
        file: 'transaction/transaction-handle.ts',
        find: 'work.rollBackSavepoint(savepoint)',
        replace: 'work.releaseSavepoint(savepoint)',
      },
    ],
    found: 'phantom',
    campaign: { ...quick, faults: [] },
  },
  {
    name: 'stores events outside of the transaction',
    changes: [
      {
        file: 'transaction/with-outbox.ts',
        find: 'const work = new UnitOfWork(tables)',
        replace: "const work = Object.defineProperty(new UnitOfWork(tables), 'log', { value: log })",
      },
    ],
    found: 'phantom',
    // One for the transaction, and one for its events: or all wait for each other.
    campaign: { ...quick, faults: [], connections: 12 },
  },
  {
    name: 'does not watch the connections of postgres.js',
    changes: [
      {
        file: 'transaction/drivers/postgres-js.ts',
        find: 'this.#slot = slot\n    watch(slot)',
        replace: 'return true',
      },
    ],
    found: 'crashed',
    campaign: { ...quick, faults: ['backends terminated'] },
  },
]
