/** Ports for servers that are killed and started again. */
import { once } from 'node:events'
import { createServer } from 'node:net'

const lowest = 10_000
// Below the range from which Linux (32768 up) and macOS (49152 up) take the ports of outgoing connections: a client
// that retries while its server is down could otherwise be given that very port, and keep the server from it.
const highest = 32_000

/** A port that nobody listens on now. Somebody may a moment later: see `onFreePort`. */
async function freePort(): Promise<number> {
  for (;;) {
    const port = lowest + Math.floor(Math.random() * (highest - lowest))
    const probe = createServer().listen(port, '127.0.0.1')
    const free = await once(probe, 'listening').then(
      () => true,
      () => false,
    )
    if (!free) continue
    probe.close()
    await once(probe, 'close')
    return port
  }
}

/** Runs `start` with a free port, and again with another one if that was taken before the server got to it. */
export function onFreePort<T>(start: (port: number) => Promise<T>): Promise<T> {
  return onFreePorts(1, ([port]) => start(port!))
}

/** The same with several ports. */
export async function onFreePorts<T>(count: number, start: (ports: number[]) => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    const ports = new Set<number>()
    while (ports.size < count) ports.add(await freePort())
    try {
      return await start([...ports])
    } catch (error) {
      if (attempt === 10 || !/address already in use/i.test(String(error))) throw error
    }
  }
}
