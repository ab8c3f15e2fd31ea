/** What a run of the demo found out. */
import type { Evidence, Findings } from './checker.js'
import type { Committed, Failure } from './ledger.js'
import type { Received } from './received.js'

export interface Report {
  /** Where the events went, such as `NATS JetStream 2.10.7`, or `memory`. */
  readonly destination: string
  readonly orders: number
  readonly customers: number
  readonly transactionsCommitted: number
  /** On purpose, all of them. */
  readonly transactionsRolledBack: number
  readonly rolledBackBy: Readonly<Record<Failure, number>>
  /** In the log. */
  readonly eventsStored: number
  /** As the relay counts acknowledgements. */
  readonly eventsPublished: number
  /** Messages that the consumer handled. */
  readonly eventsReceived: number
  readonly missing: number
  readonly duplicated: number
  readonly outOfOrder: number
  readonly changed: number
  readonly phantoms: number
  /** From the moment when a transaction's promise resolved to the moment when its event was received. */
  readonly latencyP50Ms: number
  readonly latencyP99Ms: number
  readonly eventsPerSecond: number
  /** From the first transaction to the last event received. */
  readonly seconds: number
  /** Everything arrived, once, in order and unchanged, and nothing else did. */
  readonly ok: boolean
}

export interface Outcome extends Evidence {
  readonly destination: string
  readonly orders: number
  readonly customers: number
  readonly committed: readonly Committed[]
  readonly rolledBack: Readonly<Record<Failure, number>>
  readonly published: number
  readonly received: readonly Received[]
  /** Of the monotonic clock. */
  readonly startedAt: number
}

export function createReport(outcome: Outcome, findings: Findings): Report {
  const { committed, rolledBack, received, startedAt } = outcome
  const latencies = latenciesOf(committed, received)
  const seconds = ((received.at(-1)?.at ?? startedAt) - startedAt) / 1000
  return {
    destination: outcome.destination,
    orders: outcome.orders,
    customers: outcome.customers,
    transactionsCommitted: committed.length,
    transactionsRolledBack: rolledBack.rule + rolledBack.statement + rolledBack.concurrency,
    rolledBackBy: { ...rolledBack },
    eventsStored: outcome.log.length,
    eventsPublished: outcome.published,
    eventsReceived: received.length,
    missing: findings.missing.length,
    duplicated: findings.duplicated.length,
    outOfOrder: findings.outOfOrder.length,
    changed: findings.changed.length,
    phantoms: findings.phantoms.length,
    latencyP50Ms: round(percentile(latencies, 0.5)),
    latencyP99Ms: round(percentile(latencies, 0.99)),
    eventsPerSecond: seconds > 0 ? Math.round(received.length / seconds) : 0,
    seconds: round(seconds),
    ok: Object.values(findings).every((events) => events.length === 0),
  }
}

/** Of each event that was received, its first copy. In order of size. */
function latenciesOf(committed: readonly Committed[], received: readonly Received[]): number[] {
  const committedAt = new Map(committed.map(({ orderId, version, at }) => [`${orderId} ${version}`, at]))
  const latencies: number[] = []
  for (const { orderId, version, at } of received) {
    const key = `${orderId} ${version}`
    const from = committedAt.get(key)
    if (from === undefined) continue
    committedAt.delete(key)
    latencies.push(Math.max(0, at - from)) // the relay may be faster than the promise
  }
  return latencies.sort((a, b) => a - b)
}

/** By nearest rank. */
function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0
}

function round(value: number): number {
  return Math.round(value * 100) / 100
}
