import { randomUUID } from 'node:crypto'
import { notify } from '../../event-log/notifications.js'
import type { Finding } from '../../publishers/publisher.js'
import type { Session } from '../session.js'

/**
 * Whether a session of the database is the same server process from one statement to the next. Behind a pooler in
 * transaction mode it is not, and what a client listens to, others hear.
 */
export async function checkSessions({ db, log, config }: Session, signal: AbortSignal): Promise<Finding> {
  const check = 'pooler'
  const { listen } = db['~drizzle-outbox']
  if (listen === undefined)
    return { check, level: 'ok', message: 'this driver cannot listen, so nobody knows; a relay polls' }
  const channel = `outbox_doctor_${randomUUID().slice(0, 8)}`
  const ended = new AbortController()
  const heard = new Promise<void>((resolve, reject) => {
    const listener = {
      onListening: () => void notify({ ...log, tables: { ...log.tables, channel } }, 'ping').catch(reject),
      onNotification: () => resolve(),
    }
    const until = AbortSignal.any([signal, ended.signal, AbortSignal.timeout(PATIENCE_MS)])
    listen(channel, listener, until).catch(reject)
  })
  try {
    await heard
    return { check, level: 'ok', message: 'none that takes sessions apart: LISTEN works' }
  } catch {
    signal.throwIfAborted()
    const message =
      'a notification to ourselves did not arrive: there is a pooler that takes sessions apart, such as PgBouncer in transaction mode. Transactions and relays work'
    if (!config.relay?.listen)
      return { check, level: 'ok', message: `${message}, but for listen; postgres.js needs prepare: false` }
    return {
      check,
      level: 'warning',
      message: `${message}, but the relay listens in vain, and polls`,
      remedy: 'connect the relay past the pooler, or set listen: false',
    }
  } finally {
    ended.abort()
  }
}

const PATIENCE_MS = 5000
