/**
 * How long nobody publishes when the leader goes: killed (SIGKILL), and stopped (SIGTERM). Several relays of different names
 * at once, each with a standby in another process; until the standby leads, and until it has published something.
 *
 *   npm run build && npx tsx --tsconfig bench/tsconfig.json bench/takeover.ts [--times 100] [--relays 3] [--lease 2000]
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { sql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/node-postgres'
import { migrateOutbox, withOutbox } from 'drizzle-outbox'
import pg from 'pg'
import { createDatabase, howToGetNats, startServers } from '../dev/servers/index.js'
import { now } from './timed-relay.js'

const { values } = parseArgs({
  options: {
    times: { type: 'string', default: '100' },
    relays: { type: 'string', default: '3' },
    lease: { type: 'string', default: '2000' },
  },
})
const times = Number(values.times)
const leaseMs = Number(values.lease)

const servers = await startServers()
if (servers.natsUrl === undefined) throw new Error(howToGetNats)
const { natsUrl } = servers
const database = await createDatabase(servers.databaseUrl)
const client = new pg.Pool({ connectionString: database.url })
const db = withOutbox(drizzle({ client }), { source: '/bench' })
await migrateOutbox(db)
const WRITE = sql`
  insert into outbox_events (id, aggregate_type, aggregate_id, aggregate_version, type, data)
  values (gen_random_uuid(), 'order', gen_random_uuid()::text, 1, 'order.placed', '{"total":1}')`
const writing = setInterval(() => void db.execute(WRITE).catch(() => {}), 20)

type Signal = 'SIGKILL' | 'SIGTERM'
const leads: Record<Signal, number[]> = { SIGKILL: [], SIGTERM: [] }
const publishes: Record<Signal, number[]> = { SIGKILL: [], SIGTERM: [] }
await Promise.all(Array.from({ length: Number(values.relays) }, (_, i) => rotate(`TAKEOVER${i}`)))
clearInterval(writing)

console.log(`a lease of ${leaseMs} ms, milliseconds from the signal`)
console.table(
  (['SIGKILL', 'SIGTERM'] as const).flatMap((signal) => [
    { signal, until: 'another leads', ...summary(leads[signal]) },
    { signal, until: 'it has published', ...summary(publishes[signal]) },
  ]),
)
await client.end()
await database.drop()
await servers.stop()

/** Leaders go one after the other, killed and stopped in turn, each when a standby is there. */
async function rotate(name: string): Promise<void> {
  let leader = start(name)
  await leader.hears('published')
  const share = Math.ceil(times / Number(values.relays))
  for (let time = 0; time < 2 * share; time++) {
    const signal = time % 2 === 0 ? 'SIGKILL' : 'SIGTERM'
    const standby = start(name)
    await standby.hears('ready')
    const ended = once(leader.process, 'exit')
    // Anywhere between two renewals.
    await new Promise((resolve) => setTimeout(resolve, Math.random() * leaseMs))
    const at = now()
    leader.process.kill(signal)
    const [leading, published] = await Promise.all([standby.hears('leads'), standby.hears('published')])
    leads[signal].push(leading - at)
    publishes[signal].push(published - at)
    await ended
    leader = standby
  }
  leader.process.kill('SIGKILL')
}

interface Word {
  readonly what: 'ready' | 'leads' | 'published'
  readonly at: number
}

function start(name: string): { readonly process: ChildProcess; hears(what: Word['what']): Promise<number> } {
  const script = fileURLToPath(new URL('standby-process.ts', import.meta.url))
  const child = fork(script, [database.url, natsUrl, name, String(leaseMs)])
  const heard = new Map<Word['what'], number>()
  child.on('message', ({ what, at }: Word) => heard.has(what) || heard.set(what, at))
  return {
    process: child,
    hears: async (what) => {
      while (!heard.has(what)) await once(child, 'message')
      return heard.get(what) ?? Number.NaN
    },
  }
}

function summary(all: readonly number[]) {
  const sorted = [...all].sort((a, b) => a - b)
  const at = (percent: number) =>
    Math.round(sorted[Math.ceil((sorted.length * percent) / 100) - 1] ?? Number.NaN)
  return { times: all.length, p50: at(50), p99: at(99), max: at(100) }
}
