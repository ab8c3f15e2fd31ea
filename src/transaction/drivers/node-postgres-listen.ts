import { setTimeout as sleep } from 'node:timers/promises'
import { listenStatement } from '../../event-log/notifications.js'
import { type Listen, untilLost } from './listen.js'
import type { OwnClient, Pool } from './node-postgres-client.js'

/** By a client of the pool's class and options, but not of the pool: one that listens would not come back. */
export function listenByClient(pool: Pool): Listen {
  return async (channel, { onListening, onNotification }, signal) => {
    const client = new pool.Client(pool.options)
    const lost = untilLost(signal, (lose) => {
      client.on('error', lose) // never taken off: without a listener, an error ends the process
      client.on('end', lose)
    })
    client.on('notification', ({ payload = '' }) => onNotification(payload))
    const listen = async () => {
      await client.connect()
      await client.query({ text: listenStatement(channel) })
      onListening()
      return lost
    }
    try {
      return await Promise.race([lost, listen()])
    } finally {
      await close(client)
    }
  }
}

/** A server that is out of reach does not answer a goodbye. */
async function close(client: OwnClient): Promise<void> {
  await Promise.race([client.end().catch(() => {}), sleep(GOODBYE_MS, undefined, { ref: false })])
  client.connection?.stream?.destroy?.()
}

const GOODBYE_MS = 500
