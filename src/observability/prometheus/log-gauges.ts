import type { Gauge } from 'prom-client'
import { countDeadLetters, type DeadLetterCounts } from '../../event-log/dead-letter-counts.js'
import { guardLog } from '../../event-log/guarded-log.js'
import {
  type LogSize,
  type RelayProgress,
  readLogSize,
  readRelayProgress,
} from '../../event-log/log-statistics.js'
import type { Relay } from '../../relay/relay.js'
import { shared } from '../shared.js'
import { type AnyRegistry, gauge } from './registry.js'

/** What the database says of a relay. */
interface Reading {
  readonly size: LogSize
  readonly progress: RelayProgress
  readonly deadLetters: DeadLetterCounts
}

interface Measure {
  readonly name: string
  readonly help: string
  of(reading: Reading): number | undefined
}

const MEASURES: readonly Measure[] = [
  {
    name: 'outbox_pending_events',
    help: 'Events that are committed and not acknowledged, dead letters apart. Exact',
    of: ({ progress }) => progress.pendingEvents,
  },
  {
    name: 'outbox_oldest_pending_age_seconds',
    help: 'Age of the oldest pending event. 0: none is pending',
    of: ({ progress }) => (progress.oldestPendingAgeMs ?? 0) / 1000,
  },
  {
    name: 'outbox_blocked_aggregates',
    help: 'Aggregates whose events wait behind one that the broker refused',
    of: ({ deadLetters }) => deadLetters.blockedAggregates,
  },
  {
    name: 'outbox_log_bytes',
    help: 'Bytes on disk of the log that the relay reads, with its indexes',
    of: ({ size }) => size.bytes,
  },
  {
    name: 'outbox_log_rows',
    help: 'Events in the log that the relay reads, as PostgreSQL estimates. Absent: it was never analyzed',
    of: ({ size }) => size.estimatedEvents,
  },
]

const DEAD_LETTERS = {
  name: 'outbox_dead_letters',
  help: 'Events that the broker refused, and those that wait behind them, by state',
  labelNames: ['relay', 'state'] as const,
}

const DEAD_LETTER_STATES = ['retrying', 'sending', 'parked', 'waiting', 'discarded'] as const

/**
 * What only the database knows of the relays that are observed in a registry. It is asked when the registry is scraped,
 * and once for all who scrape meanwhile. Where it does not answer there are no values, rather than old ones.
 */
export class LogGauges {
  readonly #readers = new Map<Relay, () => Promise<Reading | undefined>>()

  static in(registry: AnyRegistry): LogGauges {
    const gauges = known.get(registry) ?? new LogGauges()
    known.set(registry, gauges)
    for (const { name, help, of } of MEASURES)
      gauge(registry, { name, help, labelNames: ['relay'] }, (metric) =>
        gauges.#collect(metric, (relay, reading) => {
          const value = of(reading)
          if (value !== undefined) metric.set({ relay }, value)
        }),
      )
    gauge(registry, DEAD_LETTERS, (metric) =>
      gauges.#collect(metric, (relay, { deadLetters }) => {
        for (const state of DEAD_LETTER_STATES) metric.set({ relay, state }, deadLetters.byState[state] ?? 0)
      }),
    )
    return gauges
  }

  /** @returns a function that takes it away. */
  add(relay: Relay): () => void {
    this.#readers.set(
      relay,
      shared(() => readRelay(relay).catch(() => undefined)),
    )
    return () => void this.#readers.delete(relay)
  }

  async #collect<L extends string>(metric: Gauge<L>, set: (relay: string, reading: Reading) => void) {
    const readings = await Promise.all(Array.from(this.#readers.values(), (read) => read()))
    metric.reset()
    for (const reading of readings) if (reading !== undefined) set(reading.progress.name, reading)
  }
}

const known = new WeakMap<AnyRegistry, LogGauges>()

/** For all of it: a scrape has ten seconds, unless Prometheus is told otherwise. */
const TIMEOUT_MS = 3000

/** Undefined: the relay has never run. */
async function readRelay(relay: Relay): Promise<Reading | undefined> {
  const { name } = relay.status()
  const log = guardLog(relay['~drizzle-outbox'].log, TIMEOUT_MS, AbortSignal.timeout(TIMEOUT_MS))
  const progress = await readRelayProgress(log, name)
  if (progress === undefined) return undefined
  return { progress, size: await readLogSize(log), deadLetters: await countDeadLetters(log, name) }
}
