import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Relay } from '../relay/relay.js'
import { RelayHealth, type RelayHealthOptions } from './relay-health.js'

export interface HealthServerOptions extends RelayHealthOptions {
  readonly relays: readonly Relay[]
  /** 0: a free one. */
  readonly port: number
  /** Where to listen. It answers whoever asks, so keep it from the outside. @default '127.0.0.1' */
  readonly host?: string
  /** What `/metrics` gives: a registry of prom-client. Without it, there is no such page. */
  readonly metrics?: MetricsSource
}

/** The part of a prom-client `Registry` that is used. */
export interface MetricsSource {
  metrics(): Promise<string>
  readonly contentType: string
}

export interface HealthServer extends AsyncDisposable {
  /** Such as `http://127.0.0.1:9464`. */
  readonly url: string
  /** Takes no more requests, and waits a little for those that there are. */
  close(): Promise<void>
}

/**
 * Answers probes about relays, and scrapes, over HTTP.
 *
 * - `/healthz`: 200 while the loop of every relay moves, otherwise 503: restart the process.
 * - `/readyz`: 200 while every relay leads or stands by, database and broker answer, and none has been paused for longer
 *   than `graceMs`; otherwise 503. The body says which, as JSON.
 * - `/metrics`: if `metrics` is given.
 *
 * @example
 * ```ts
 * import { observeRelay } from 'drizzle-outbox/prometheus'
 * import { register } from 'prom-client'
 *
 * observeRelay(relay)
 * const health = await startHealthServer({ relays: [relay], port: 9464, metrics: register })
 * ```
 * @throws what Node.js throws when it cannot listen there, such as `EADDRINUSE`.
 */
export async function startHealthServer(options: HealthServerOptions): Promise<HealthServer> {
  const { relays, port, host = '127.0.0.1', metrics } = options
  const health = relays.map((relay) => new RelayHealth(relay, options))
  const pages: Record<string, Page> = {
    '/healthz': async () => {
      const alive = health.every((relay) => relay.isAlive())
      return json(alive, { alive })
    },
    '/readyz': async () => {
      const found = await Promise.all(health.map((relay) => relay.readiness()))
      const ready = found.every((relay) => relay.ready)
      return json(ready, { ready, relays: found })
    },
    ...(metrics && {
      '/metrics': async () => ({ status: 200, type: metrics.contentType, body: await metrics.metrics() }),
    }),
  }
  const server = createServer(BOUNDS, (request, response) => void answer(pages, request, response))
  server.maxConnections = MAX_CONNECTIONS
  server.listen(port, host)
  await once(server, 'listening') // rejects with what `error` says
  const close = () => closeServer(server)
  return { url: urlOf(server), close, [Symbol.asyncDispose]: close }
}

type Page = () => Promise<Answer>

interface Answer {
  readonly status: number
  readonly type: string
  readonly body: string
}

const BOUNDS = { maxHeaderSize: 8192, headersTimeout: 5000, requestTimeout: 5000, keepAliveTimeout: 5000 }
const MAX_CONNECTIONS = 64

function json(well: boolean, body: object): Answer {
  return { status: well ? 200 : 503, type: 'application/json', body: JSON.stringify(body) }
}

const plain = (status: number, body: string): Answer => ({ status, type: 'text/plain', body: `${body}\n` })

async function answer(
  pages: Readonly<Record<string, Page>>,
  { method, url = '' }: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { status, type, body } = await answerOf(pages, method, url.replace(/\?.*$/, ''))
  response.writeHead(status, {
    'content-type': type,
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
    ...(status === 405 && { allow: 'GET, HEAD', connection: 'close' }), // whatever it sends is not read
  })
  response.end(method === 'HEAD' ? undefined : body)
}

async function answerOf(
  pages: Readonly<Record<string, Page>>,
  method: string | undefined,
  path: string,
): Promise<Answer> {
  if (method !== 'GET' && method !== 'HEAD') return plain(405, 'method not allowed')
  if (!Object.hasOwn(pages, path)) return plain(404, `there are ${Object.keys(pages).join(', ')}`)
  try {
    return await (pages[path] as Page)()
  } catch {
    return plain(500, 'failed') // why is not for whoever asks
  }
}

function urlOf(server: Server): string {
  const { address, family, port } = server.address() as AddressInfo
  return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`
}

async function closeServer(server: Server): Promise<void> {
  if (!server.listening) return
  const closed = once(server, 'close')
  server.close()
  server.closeIdleConnections()
  const timer = setTimeout(() => server.closeAllConnections(), GOODBYE_MS)
  await closed
  clearTimeout(timer)
}

const GOODBYE_MS = 1000
