import { Option } from 'commander'
import type { MetricsConfig } from '../../config/index.js'
import {
  type HealthServer,
  type MetricsSource,
  startHealthServer,
} from '../../observability/health-server.js'
import type { Relay } from '../../relay/relay.js'
import { Failure, UsageError } from '../exit-codes.js'
import type { Log } from '../output/log.js'
import { wholeNumber } from '../parsers.js'

export interface MetricsFlags {
  readonly metricsPort?: number
  readonly metricsHost?: string
}

export const metricsOptions: readonly Option[] = [
  new Option('--metrics-port <port>', 'answer /healthz, /readyz and /metrics there (default: nowhere)')
    .env('OUTBOX_METRICS_PORT')
    .argParser(wholeNumber),
  new Option('--metrics-host <host>', 'the address to listen on (default: 127.0.0.1)').env(
    'OUTBOX_METRICS_HOST',
  ),
]

/** @returns undefined where no port is named. @throws UsageError, Failure */
export async function startMetrics(
  relay: Relay,
  { metricsPort, metricsHost }: MetricsFlags,
  configured: Partial<MetricsConfig> = {},
  log: Log,
): Promise<HealthServer | undefined> {
  const { port, host = '127.0.0.1' } = {
    ...configured,
    ...(metricsPort !== undefined && { port: metricsPort }),
    ...(metricsHost !== undefined && { host: metricsHost }),
  }
  if (port === undefined) return undefined
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    throw new UsageError(`the port for metrics must be a whole number from 0 to 65535, not ${port}`)
  const metrics = await observe(relay)
  if (metrics === undefined) log.warn('no /metrics: npm install prom-client')
  try {
    const server = await startHealthServer({ relays: [relay], port, host, ...(metrics && { metrics }) })
    log.info(`health and metrics at ${server.url}`, { url: server.url })
    return server
  } catch (error) {
    const { message } = error as Error
    throw new Failure(`cannot answer at ${host}:${port}: ${message}`, { cause: error })
  }
}

/** Undefined where prom-client, an optional peer dependency, is not installed. */
async function observe(relay: Relay): Promise<MetricsSource | undefined> {
  try {
    const { observeRelay } = await import('../../observability/prometheus/index.js')
    const { registryOf } = await import('../../observability/prometheus/registry.js')
    observeRelay(relay)
    return registryOf({})
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ERR_MODULE_NOT_FOUND') return undefined
    throw error
  }
}
