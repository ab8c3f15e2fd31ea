/** `npm run example:worker`: the processes of examples/worker side by side, on servers of their own. */
import { once } from 'node:events'
import { onFreePorts } from '../servers/free-port.js'
import { howToGetNats, openVenue } from '../servers/index.js'
import { type Addresses, migration, services } from './programs.js'
import { runOnce, Service } from './service.js'
import { renderSession } from './session.js'

const exitCodes = { SIGINT: 130, SIGTERM: 143 } as const
const interrupted = new AbortController()

const say = (text: string) => console.log(text)
const sayOf = (name: string, line: string) => say(`${name.padEnd(8)} │ ${line}`)

async function main(signal: AbortSignal): Promise<void> {
  say('Starting PostgreSQL and NATS …')
  await using venue = await openVenue('BOOKINGS')
  const { databaseUrl, natsUrl, stream } = venue
  if (natsUrl === undefined) throw new Error(howToGetNats)
  const addresses = { databaseUrl, natsUrl, stream }
  await runOnce(migration(addresses), sayOf)
  signal.throwIfAborted()
  const running = await onFreePorts(services.length, (ports) => startAll(addresses, ports, signal))
  say(renderSession(running))
  if (!signal.aborted) await once(signal, 'abort')
  say('Stopping …')
  await stopAll(running)
}

async function startAll(addresses: Addresses, ports: number[], signal: AbortSignal): Promise<Service[]> {
  const started: Service[] = []
  try {
    for (const [i, service] of services.entries())
      started.push(await Service.start(service(addresses, ports[i]!), sayOf, signal))
    return started
  } catch (error) {
    await stopAll(started)
    throw error
  }
}

async function stopAll(started: readonly Service[]): Promise<void> {
  for (const service of started.toReversed()) await service.stop()
}

/** The first signal ends it in order. After a second one everything that we started sees that we are gone. */
for (const [name, code] of Object.entries(exitCodes))
  process.on(name, () => {
    if (interrupted.signal.aborted) process.exit(code)
    interrupted.abort()
  })

try {
  await main(interrupted.signal)
} catch (error) {
  if (!interrupted.signal.aborted || error !== interrupted.signal.reason) {
    console.error(error)
    process.exitCode = 1
  }
}
