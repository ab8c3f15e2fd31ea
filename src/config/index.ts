/** `drizzle-outbox/config`: what the `drizzle-outbox` command works with. */
import type { Publisher } from '../publishers/publisher.js'
import type { RelayOptions } from '../relay/relay-options.js'
import type { AnyOutboxDb } from '../transaction/outbox-db.js'

/**
 * The default export of `outbox.config.ts`. Database and publisher are functions, called by the commands that need them:
 * `--help`, `init` and `sql` open no connection.
 */
export interface OutboxConfig {
  /**
   * The database, as `withOutbox` gives it. The command ends its process when it is done, whatever is still open; give
   * `{ db, close }` where something should be closed before.
   */
  readonly db: () => Awaitable<AnyOutboxDb | ClosableDb>
  /** Where the relay publishes to. A new one for each call; the relay closes it. */
  readonly publisher: () => Awaitable<Publisher>
  readonly relay?: WorkerOptions
  /** Answers probes and scrapes while the relay runs: `/healthz`, `/readyz`, and `/metrics` if `prom-client` is installed. */
  readonly metrics?: MetricsConfig
}

export interface MetricsConfig {
  /** Such as 9464. 0: a free one, which the log tells. */
  readonly port: number
  /** The address to listen on. It answers whoever asks, so keep it from the outside. @default '127.0.0.1' */
  readonly host?: string
}

export interface ClosableDb {
  readonly db: AnyOutboxDb
  /** Called when the command is done. It is given five seconds. */
  readonly close: () => unknown
}

/** Options of `createRelay`, and those of the process that it runs in. */
export interface WorkerOptions extends Omit<RelayOptions, 'db' | 'publisher'> {
  /**
   * How long the relay may take, after SIGTERM or SIGINT, for what is in flight: less than the process is given before
   * it is killed. Milliseconds. @default 10000
   */
  readonly stopTimeoutMs?: number
}

type Awaitable<T> = T | Promise<T>

/**
 * Types the configuration of the `drizzle-outbox` command.
 *
 * @example
 * ```ts
 * // outbox.config.ts
 * export default defineConfig({
 *   db: () => withOutbox(drizzle({ client: new pg.Pool({ connectionString: process.env.DATABASE_URL }) }), { source: '/shop' }),
 *   publisher: () =>
 *     jetStreamPublisher({
 *       connection: () => connect({ servers: process.env.NATS_URL, maxReconnectAttempts: -1 }),
 *       stream: { name: 'SHOP', create: true },
 *     }),
 *   relay: { name: 'shop' },
 *   metrics: { port: 9464 },
 * })
 * ```
 */
export function defineConfig(config: OutboxConfig): OutboxConfig {
  return config
}
