/** How each process of examples/worker is started: where, on which port, and with which settings. */
import { fileURLToPath } from 'node:url'
import type { Program, ServiceProgram } from './service.js'

const path = (relative: string) => fileURLToPath(new URL(`../../${relative}`, import.meta.url))
const bookings = path('examples/worker/bookings')
const calendar = path('examples/worker/calendar')
/** In a project that has installed us: node_modules/drizzle-outbox/dist/cli/main.js */
const command = path('src/cli/main.ts')

export interface Addresses {
  readonly databaseUrl: string
  readonly natsUrl: string
  readonly stream: string
}

export function migration({ databaseUrl }: Addresses): Program {
  return { name: 'migrate', args: ['migrate.ts'], folder: bookings, env: { DATABASE_URL: databaseUrl } }
}

/** Whoever comes first is stopped last: no more bookings, then the worker, then who hears of it. */
export const services: readonly ((addresses: Addresses, port: number) => ServiceProgram)[] = [
  ({ natsUrl, stream }, port) => ({
    name: 'calendar',
    args: ['main.ts'],
    folder: calendar,
    env: { NATS_URL: natsUrl, STREAM: stream, HOST: '127.0.0.1', PORT: `${port}` },
    url: `http://127.0.0.1:${port}`,
    page: '/healthz',
  }),
  ({ databaseUrl, natsUrl, stream }, port) => ({
    name: 'worker',
    args: [command, 'relay'],
    folder: bookings,
    env: {
      DATABASE_URL: databaseUrl,
      NATS_URL: natsUrl,
      STREAM: stream,
      OUTBOX_METRICS_PORT: `${port}`,
    },
    url: `http://127.0.0.1:${port}`,
    page: '/readyz',
  }),
  ({ databaseUrl }, port) => ({
    name: 'bookings',
    args: ['main.ts'],
    folder: bookings,
    env: { DATABASE_URL: databaseUrl, HOST: '127.0.0.1', PORT: `${port}` },
    url: `http://127.0.0.1:${port}`,
    page: '/healthz',
  }),
]
