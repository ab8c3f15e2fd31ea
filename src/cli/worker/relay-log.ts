import { logRelay } from '../../observability/log-relay.js'
import type { Relay } from '../../relay/relay.js'
import type { Log } from '../output/log.js'
import { plural } from '../output/units.js'

/** Writes what the relay does, and every ten seconds how much it has published. */
export function logWorker(relay: Relay, log: Log): void {
  const { name } = relay.status()
  let told = 0
  const tellPublished = () => {
    const { published } = relay.status()
    const count = published - told
    told = published
    if (count > 0)
      log.info(`relay ${name} published ${plural(count, 'event')}`, { relay: name, published: count })
  }
  const timer = setInterval(tellPublished, TELL_MS)
  timer.unref()
  relay.on('stopped', () => {
    clearInterval(timer)
    tellPublished()
  })
  // After ours, so that it says last that it has stopped.
  logRelay(relay, {
    debug: () => {}, // each page: it is counted
    info: (fields, message) => log.write('info', message, { ...fields }),
    warn: (fields, message) => log.write('warn', message, { ...fields }),
    error: (fields, message) => log.write('error', message, { ...fields }),
  })
}

const TELL_MS = 10_000
