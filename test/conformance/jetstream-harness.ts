/** JetStream behind a proxy, on a server that may be killed. */
import { type JetStreamManager, jetstreamManager, type StreamConfig } from '@nats-io/jetstream'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { type JetStreamPublisherOptions, jetStreamPublisher } from 'drizzle-outbox/jetstream'
import type { PublisherFeatures, PublisherHarness } from 'drizzle-outbox/testing'
import type { NatsServer } from '../../dev/servers/index.js'
import { JetStreamProxy } from '../support/jetstream-proxy.js'
import { readStream } from '../support/stream.js'

interface Destination {
  readonly stream: string
  readonly proxy: JetStreamProxy
}

const window = 64
const windowBytes = 1024 * 1024
/** Above what the stream takes, and below the server's 1 MiB; above that the client refuses. */
const OVER_STREAM = 1_042_000
const OVER_PAYLOAD = 1_050_000

let streams = 0

/** What a mode of the publisher is made of, and does differently. */
export interface JetStreamMode {
  readonly publisher?: Partial<JetStreamPublisherOptions>
  readonly stream?: Partial<StreamConfig>
  readonly features?: Partial<PublisherFeatures>
}

export function jetStreamHarness(
  nats: () => NatsServer,
  { publisher, stream: config, features }: JetStreamMode = {},
): PublisherHarness<Destination> {
  const beside = async <T>(use: (connection: NatsConnection, manager: JetStreamManager) => Promise<T>) => {
    const connection = await connect({ servers: nats().url })
    try {
      return await use(connection, await jetstreamManager(connection))
    } finally {
      await connection.close()
    }
  }
  const create = (stream: string) =>
    beside((_, manager) =>
      manager.streams.add({
        name: stream,
        subjects: [`${stream.toLowerCase()}.>`],
        max_msg_size: 1_040_000,
        ...config,
      }),
    )
  return {
    open: async () => {
      const stream = `CONFORMS_${++streams}`
      await create(stream)
      return { stream, proxy: await JetStreamProxy.start(nats().port) }
    },
    publisher: ({ stream, proxy }) =>
      jetStreamPublisher({
        connection: () => connect({ servers: proxy.url, maxReconnectAttempts: -1, reconnectTimeWait: 20 }),
        stream: { name: stream },
        publishTimeoutMs: 1000,
        window,
        windowBytes,
        ...publisher,
      }),
    read: ({ stream }) =>
      beside(async (connection) => {
        const messages = await readStream(connection, stream)
        return messages.map(({ headers, ce, data }) => ({
          id: headers.get('Nats-Msg-Id'),
          aggregateId: ce.subject ?? '',
          aggregateVersion: Number(ce.sequence),
          data,
          attributes: ce,
        }))
      }),
    remove: async ({ stream, proxy }) => {
      await proxy.stop()
      await beside((_, manager) => manager.streams.delete(stream))
    },
    features: { inFlight: { events: window, bytes: windowBytes }, maxDataBytes: 1_020_000, ...features },
    faults: {
      refuse: (event) => {
        const length = event.position % 2 === 0 ? OVER_STREAM : OVER_PAYLOAD
        return { ...event, data: JSON.stringify('x'.repeat(length)) }
      },
      outage: async () => {
        await nats().kill()
        return () => nats().restart()
      },
      cut: ({ proxy }) => proxy.cutAll(),
      lose: ({ proxy }, id) => proxy.lose(id),
      holdAnswers: ({ proxy }) => {
        proxy.hold('toClient')
        return () => proxy.release()
      },
      emptyAnswers: ({ stream, proxy }) => {
        const answers = emptyAnswers(stream)
        let answered = 0
        proxy.answer(({ subject }) =>
          subject.startsWith('$') ? undefined : answers[answered++ % answers.length],
        )
        return () => proxy.answer(undefined)
      },
      forget: async ({ stream }) => {
        await beside((_, manager) => manager.streams.delete(stream))
        await create(stream)
      },
    },
  }
}

/** None of them names a message of the stream. */
const emptyAnswers = (stream: string) => [
  { stream, seq: 0, duplicate: true }, // as servers have been seen to answer for what no stream holds
  { stream, seq: 0 },
  { stream },
  { stream: `${stream}_OTHER`, seq: 1 },
  {},
]
