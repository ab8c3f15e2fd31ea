/** The booking service as a process: HTTP in front of it, PostgreSQL behind it. It knows nothing of NATS. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import { getRequestListener } from '@hono/node-server'
import { createApp } from './app.js'
import { createDb, createPool } from './db.js'

const { DATABASE_URL, HOST = '127.0.0.1', PORT = '8080' } = process.env
/** Less than whoever stops us waits before SIGKILL. */
const DRAIN_MS = 10_000

const pool = createPool(DATABASE_URL)
const server = createServer(getRequestListener(createApp(createDb(pool)).fetch))
server.listen(Number(PORT), HOST, () => console.log(`Listening on ${HOST}:${PORT}`))

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void stop(signal))

/** Takes no more requests, answers those that there are, and then lets the database go. */
async function stop(signal: NodeJS.Signals): Promise<void> {
  console.log(`${signal}: finishing what is begun`)
  const closed = once(server, 'close')
  server.close()
  // By itself it waits for clients to hang up, of which those that keep a connection are in no hurry.
  const idle = setInterval(() => server.closeIdleConnections(), 50)
  const late = setTimeout(() => server.closeAllConnections(), DRAIN_MS)
  await closed
  clearInterval(idle)
  clearTimeout(late)
  await pool.end()
}
