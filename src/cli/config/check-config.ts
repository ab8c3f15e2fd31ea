import type { MetricsConfig, OutboxConfig, WorkerOptions } from '../../config/index.js'
import { UsageError } from '../exit-codes.js'

type Kind = 'string' | 'number' | 'number or false' | 'boolean' | 'function' | 'object'
type Fields<T> = Record<keyof T, readonly [kind: Kind, allowed: string]>

const CONFIG_FIELDS: Fields<OutboxConfig> = {
  db: ['function', 'a function that returns what withOutbox(…) gives, or { db, close }'],
  publisher: ['function', 'a function that returns a publisher, such as () => jetStreamPublisher({ … })'],
  relay: ['object', 'an object, such as { name: "shop" }'],
  metrics: ['object', 'an object, such as { port: 9464 }'],
}

const METRICS_FIELDS: Fields<MetricsConfig> = {
  port: ['number', 'a number from 0 to 65535'],
  host: ['string', 'an address, such as "0.0.0.0"'],
}

const RELAY_FIELDS: Fields<WorkerOptions> = {
  name: ['string', 'text, such as "shop"'],
  batchSize: ['number', 'a number of events'],
  batchBytes: ['number', 'a number of bytes'],
  minPollMs: ['number', 'a number of milliseconds'],
  maxPollMs: ['number', 'a number of milliseconds'],
  listen: ['boolean', 'true or false'],
  heartbeatMs: ['number', 'a number of milliseconds'],
  leaseMs: ['number', 'a number of milliseconds'],
  statementTimeoutMs: ['number', 'a number of milliseconds'],
  maxAttempts: ['number', 'a number of attempts'],
  onRefused: ['object', 'an object, such as { "order.viewed": "continue" }'],
  retentionMs: ['number or false', 'a number of milliseconds, or false to keep everything'],
  minBackoffMs: ['number', 'a number of milliseconds'],
  maxBackoffMs: ['number', 'a number of milliseconds'],
  stopTimeoutMs: ['number', 'a number of milliseconds'],
}

/**
 * Says of a wrong configuration which field it is, why, and what is allowed. The range of a number is the business of
 * whoever uses it.
 *
 * @param file For the message.
 * @throws UsageError
 */
export function checkConfig(config: unknown, file: string): OutboxConfig {
  if (typeof config !== 'object' || config === null)
    throw new UsageError(`${file} must have a default export: export default defineConfig({ … })`)
  checkFields(config, CONFIG_FIELDS, ['db', 'publisher'], (field) => `${file}: ${field}`)
  const { relay, metrics } = config as OutboxConfig
  if (relay !== undefined) checkFields(relay, RELAY_FIELDS, [], (field) => `${file}: relay.${field}`)
  if (metrics !== undefined)
    checkFields(metrics, METRICS_FIELDS, ['port'], (field) => `${file}: metrics.${field}`)
  return config as OutboxConfig
}

function checkFields<T>(
  value: object,
  fields: Fields<T>,
  required: readonly (keyof T)[],
  path: (field: string) => string,
): void {
  const known = Object.keys(fields)
  for (const field of Object.keys(value))
    if (!known.includes(field))
      throw new UsageError(`${path(field)}: there is no such field; there are ${known.join(', ')}`)
  for (const field of known as (keyof T & string)[]) {
    const found = (value as Record<string, unknown>)[field]
    const [kind, allowed] = fields[field]
    if (found === undefined ? required.includes(field) : !isOf(kind, found))
      throw new UsageError(`${path(field)} must be ${allowed}; it is ${describe(found)}`)
  }
}

function isOf(kind: Kind, value: unknown): boolean {
  if (kind === 'number or false') return value === false || typeof value === 'number'
  return typeof value === kind && value !== null
}

function describe(value: unknown): string {
  if (typeof value === 'function') return 'a function'
  if (value instanceof Promise) return 'a promise'
  return value === undefined ? 'missing' : (JSON.stringify(value)?.slice(0, 60) ?? String(value))
}
