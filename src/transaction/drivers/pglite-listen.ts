import { quoteIdentifier } from '../../event-log/tables.js'
import { type Listen, untilLost } from './listen.js'

/** PGlite has no connections: its one session listens, and calls back whoever asked for it. */
export interface PGlite {
  listen(channel: string, callback: (payload: string) => void): Promise<unknown>
  unlisten(channel: string, callback: (payload: string) => void): Promise<unknown>
}

export function isPGlite(client: unknown): client is PGlite {
  return typeof client === 'object' && client !== null && 'listen' in client && 'unlisten' in client
}

export function listenInside(client: PGlite): Listen {
  return async (channel, { onListening, onNotification }, signal) => {
    const name = quoteIdentifier(channel)
    const lost = untilLost(signal, () => {})
    const hear = (payload: string) => onNotification(payload) // PGlite tells its listeners apart by the function
    const listening = client.listen(name, hear)
    try {
      await Promise.race([lost, listening])
      onListening()
      return await lost
    } finally {
      // Not awaited: a transaction of the application may be running, and PGlite has one session.
      listening.then(() => client.unlisten(name, hear)).catch(() => {})
    }
  }
}
