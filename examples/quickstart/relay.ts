/** Takes the events from the log to NATS JetStream, in this process or in one of its own. */
import { connect } from '@nats-io/transport-node'
import { createRelay, type Publisher, type Relay } from 'drizzle-outbox'
import { jetStreamPublisher } from 'drizzle-outbox/jetstream'
import type { Db } from './db.js'

/** An event goes to the subject `<stream in lower case>.order.<event>`, such as `shop.order.placed`. */
export function createPublisher(natsUrl: string, stream = 'SHOP'): Publisher {
  return jetStreamPublisher({
    connection: () =>
      connect({ servers: natsUrl, maxReconnectAttempts: -1, reconnectTimeWait: 250, timeout: 2_000 }),
    stream: { name: stream, create: true },
  })
}

/** Call `stop()` on it as your process ends: it finishes what is in flight and lets the next relay in at once. */
export async function startRelay(db: Db, publisher: Publisher): Promise<Relay> {
  const relay = createRelay({ db, publisher, name: 'shop' })
  relay.on('paused', ({ by, error, retryInMs }) => {
    console.warn(`relay: the ${by} cannot be used, trying again in ${retryInMs} ms: ${error.message}`)
  })
  relay.on('refused', ({ error }) => console.error(`relay: ${error.message}`))
  await relay.start()
  return relay
}
