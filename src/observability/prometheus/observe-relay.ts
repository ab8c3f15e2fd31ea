import type { Counter } from 'prom-client'
import { isOutboxError } from '../../errors.js'
import type { Relay } from '../../relay/relay.js'
import type { RelayEventOf } from '../../relay/relay-events.js'
import { countByType, EventTypes } from './event-types.js'
import { LogGauges } from './log-gauges.js'
import { type AnyRegistry, counter, histogram, type MetricsOptions, registryOf } from './registry.js'
import { StateGauge } from './state-gauge.js'

/**
 * Metrics of a relay, from what it tells (`relay.on`) and, whenever the registry is scraped, from its state and from the
 * database. docs/metrics.md has them all. Each has the relay's name as the label `relay`, so that several may be observed.
 *
 * @example
 * ```ts
 * import { observeRelay } from 'drizzle-outbox/prometheus'
 *
 * const relay = createRelay({ db, publisher, name: 'shop' })
 * observeRelay(relay) // or with a registry of your own: observeRelay(relay, { registry })
 * ```
 * @returns a function that ends it.
 */
export function observeRelay(relay: Relay, options: MetricsOptions = {}): () => void {
  const registry = registryOf(options)
  const ends = [
    countPublished(relay, registry),
    countTroubles(relay, registry),
    StateGauge.in(registry).add(relay),
    LogGauges.in(registry).add(relay),
  ]
  return () => {
    for (const end of ends) end()
  }
}

/** What the broker has acknowledged. */
function countPublished(relay: Relay, registry: AnyRegistry): () => void {
  const { name } = relay.status()
  const types = new EventTypes()
  const published = counter(registry, {
    name: 'outbox_relay_published_total',
    help: 'Events handed to the broker, by type and result: acknowledged or refused',
    labelNames: ['relay', 'type', 'result'],
  })
  const duplicateAcks = counter(registry, {
    name: 'outbox_duplicate_acks_total',
    help: 'Acknowledged events that the broker had already, part of those published',
    labelNames: ['relay'],
  })
  const batchSize = histogram(
    registry,
    {
      name: 'outbox_relay_batch_size',
      help: 'Events of a page of the log that were acknowledged',
      labelNames: ['relay'],
    },
    [1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000],
  )
  const duration = histogram(
    registry,
    {
      name: 'outbox_relay_publish_duration_seconds',
      help: 'Time from handing a page of the log to the broker until it was acknowledged',
      labelNames: ['relay'],
    },
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
  )
  const latency = histogram(
    registry,
    {
      name: 'outbox_commit_to_ack_seconds',
      help: 'Time from recording an event, in the transaction that commits it, until the broker acknowledged it',
      labelNames: ['relay'],
    },
    [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 21_600, 86_400],
  )
  const refused = (type: string) =>
    published.inc({ relay: name, type: types.labelOf(type), result: 'refused' })
  duplicateAcks.inc({ relay: name }, 0)
  const ends = [
    relay.on('published', ({ count, duplicates, durationMs, events }) => {
      batchSize.observe({ relay: name }, count)
      duration.observe({ relay: name }, durationMs / 1000)
      if (duplicates > 0) duplicateAcks.inc({ relay: name }, duplicates)
      for (const [type, number] of countByType(events))
        published.inc({ relay: name, type: types.labelOf(type), result: 'acknowledged' }, number)
      const now = Date.now()
      const { observe } = latency.labels({ relay: name })
      for (const { occurredAt } of events) observe(Math.max(0, now - occurredAt.getTime()) / 1000)
    }),
    relay.on('refused', ({ eventType }) => refused(eventType)),
    relay.on('deadLettered', ({ eventType }) => refused(eventType)),
  ]
  return () => {
    for (const end of ends) end()
  }
}

const RETRY_REASONS = ['database', 'unavailable', 'fenced', 'refused', 'other'] as const

/** What went wrong. */
function countTroubles(relay: Relay, registry: AnyRegistry): () => void {
  const { name } = relay.status()
  const retries: Counter<'relay' | 'reason'> = counter(registry, {
    name: 'outbox_retries_total',
    help: 'Failed attempts that are followed by another one, by reason',
    labelNames: ['relay', 'reason'],
  })
  const leaseLost: Counter<'relay'> = counter(registry, {
    name: 'outbox_lease_lost_total',
    help: 'How often this process lost the lease of a relay to another, or could not renew it in time',
    labelNames: ['relay'],
  })
  for (const reason of RETRY_REASONS) retries.inc({ relay: name, reason }, 0)
  leaseLost.inc({ relay: name }, 0)
  const ends = [
    relay.on('paused', (event) => retries.inc({ relay: name, reason: reasonOf(event) })),
    relay.on('refused', () => retries.inc({ relay: name, reason: 'refused' })),
    relay.on('leaseLost', () => leaseLost.inc({ relay: name })),
  ]
  return () => {
    for (const end of ends) end()
  }
}

function reasonOf({ by, error }: RelayEventOf<'paused'>): (typeof RETRY_REASONS)[number] {
  if (by === 'database') return 'database'
  if (!isOutboxError(error)) return 'other'
  if (error.code === 'ERR_OUTBOX_UNAVAILABLE') return 'unavailable'
  return error.code === 'ERR_OUTBOX_FENCED' ? 'fenced' : 'other'
}
