/** A JetStream stream, read by the quickstart's consumer. */
import { setTimeout as sleep } from 'node:timers/promises'
import { jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import { consumeOrders } from '../../examples/quickstart/consumer.js'
import { createPublisher } from '../../examples/quickstart/relay.js'
import type { Destination } from './destination.js'
import type { Received } from './received.js'

export const CONSUMER = 'demo'
/** What has not come by then is missing. */
const CATCH_UP_MS = 20_000

export async function openJetStream(natsUrl: string, stream: string): Promise<Destination> {
  const connection = await connect({ servers: natsUrl, maxReconnectAttempts: -1, reconnectTimeWait: 250 })
  const manager = await jetstreamManager(connection)
  const received: Received[] = []
  const closing = new AbortController()
  let consuming: Promise<void> | undefined

  return {
    name: `NATS JetStream ${connection.info?.version}`,
    publisher: createPublisher(natsUrl, stream),
    received,
    receive: async (onFailure) => {
      const options = { stream, name: CONSUMER, signal: closing.signal }
      consuming = consumeOrders(connection, options, ({ event: { type, data }, ...message }) => {
        received.push({ ...message, type, data, at: performance.now() })
      }).catch(onFailure)
    },
    caughtUp: async (signal) => {
      const { state } = await manager.streams.info(stream)
      const deadline = performance.now() + CATCH_UP_MS
      while (performance.now() < deadline) {
        signal.throwIfAborted()
        // Not by the number pending, which may lag behind the stream.
        const { ack_floor } = await manager.consumers.info(stream, CONSUMER)
        if (ack_floor.stream_seq >= state.last_seq) return
        await sleep(10)
      }
    },
    [Symbol.asyncDispose]: async () => {
      closing.abort()
      await consuming
      await connection.close()
    },
  }
}
