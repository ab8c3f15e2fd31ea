/** A shop whose relay has a NATS server of its own with a proxy before it: what the causes of errors act on. */
import { inspect } from 'node:util'
import { type JetStreamManager, jetstreamManager } from '@nats-io/jetstream'
import { type ConnectionOptions, connect } from '@nats-io/transport-node'
import { createRelay, isOutboxError, type Relay } from 'drizzle-outbox'
import { type JetStreamPublisherOptions, jetStreamPublisher } from 'drizzle-outbox/jetstream'
import { recordedEvents } from 'drizzle-outbox/testing'
import {
  type NatsCluster,
  type NatsOptions,
  type NatsServer,
  startNats,
  startNatsCluster,
} from '../../dev/servers/index.js'
import { openShop, orderEvents } from './drivers.js'
import { NatsProxy } from './nats-proxy.js'
import { readFromLeader } from './stream.js'

export const STREAM = 'SHOP'
export const PUBLISH_TIMEOUT_MS = 400

export interface BrokerOptions {
  readonly server?: NatsOptions
  /** Three servers instead of one, and a replica of the stream on each. */
  readonly cluster?: boolean
  /** How the relay connects, asked whenever it does. Default: without a login, through the proxy. */
  readonly login?: () => ConnectionOptions
  /** How somebody connects who may do everything. */
  readonly admin?: ConnectionOptions
  /** The relay is given a connection instead of a function that makes one. */
  readonly ownConnection?: boolean
  readonly publisher?: Partial<JetStreamPublisherOptions>
  readonly leaseMs?: number
}

export interface BrokerWorld {
  /** One of the cluster, where there is one. */
  readonly nats: NatsServer
  readonly cluster: NatsCluster | undefined
  readonly proxy: NatsProxy
  readonly relay: Relay
  /** What the relay said in `paused` and `refused`: code and message, each once. */
  readonly told: ReadonlySet<string>
  /** The same as a log prints it, with causes and all. */
  readonly printed: ReadonlySet<string>
  /** How often it has paused. */
  pauses(): number
  /** As the administrator, past the proxy. */
  manager(): Promise<JetStreamManager>
  /** In one transaction three more events of some aggregates, and of these, the second one with this text. */
  record(texts?: Readonly<Record<string, string>>): Promise<void>
  /** What was recorded, and what the stream holds: ids, by aggregate, in order. */
  recorded(): Promise<Histories>
  stored(): Promise<Histories>
  close(): Promise<void>
}

export type Histories = Readonly<Record<string, readonly string[]>>

export async function openBrokerWorld(options: BrokerOptions = {}): Promise<BrokerWorld> {
  const cleanUp: (() => Promise<unknown>)[] = []
  const opened = async <T>(opening: Promise<T>, close: (it: T) => Promise<unknown>): Promise<T> => {
    const it = await opening
    cleanUp.unshift(() => close(it))
    return it
  }
  const close = async () => {
    for (const clean of cleanUp.splice(0)) await clean()
  }
  try {
    const cluster = options.cluster ? await opened(startNatsCluster(), (it) => it.stop()) : undefined
    const nats = cluster?.nodes[0] ?? (await opened(startNats(options.server), (server) => server.stop()))
    const proxy = await opened(NatsProxy.start(nats.port), (it) => it.stop())
    const { db } = await opened(openShop('node-postgres'), (shop) => shop.close())
    const reconnecting = { maxReconnectAttempts: -1, reconnectTimeWait: 10, reconnectJitter: 0 }
    const connectRelay = () =>
      connect({ servers: cluster?.servers ?? proxy.url, ...reconnecting, ...options.login?.() })
    const asAdmin = { servers: cluster?.servers ?? nats.url, ...options.admin }
    const create = cluster === undefined || { subjects: ['shop.>'], num_replicas: 3 }
    const relay = createRelay({
      db,
      leaseMs: options.leaseMs ?? 15_000,
      minBackoffMs: 10,
      maxBackoffMs: 50,
      maxAttempts: 100,
      publisher: jetStreamPublisher({
        connection: options.ownConnection
          ? await opened(connectRelay(), (connection) => connection.close())
          : connectRelay,
        stream: { name: STREAM, create },
        publishTimeoutMs: PUBLISH_TIMEOUT_MS,
        ...options.publisher,
      }),
    })
    cleanUp.unshift(() => relay.stop({ timeoutMs: 100 }))

    return {
      nats,
      cluster,
      proxy,
      relay,
      ...listenTo(relay),
      manager: async () => {
        const admin = await opened(connect(asAdmin), (it) => it.close())
        return jetstreamManager(admin)
      },
      record: (texts = {}) =>
        db.transaction(async (tx) => {
          for (const [id, carrier] of Object.entries({ a: 'dhl', b: 'dhl', c: 'dhl', ...texts })) {
            tx.outbox.add(orderEvents.placed(id, { total: 1 }))
            tx.outbox.add(orderEvents.shipped(id, { carrier }), orderEvents.shipped(id, { carrier: 'dhl' }))
          }
        }),
      recorded: async () =>
        historiesOf((await recordedEvents(db)).map(({ aggregateId, id }) => [aggregateId, id])),
      stored: async () => {
        const admin = await connect(asAdmin)
        const reading = readFromLeader(await jetstreamManager(admin), STREAM)
        const messages = await reading.finally(() => admin.close())
        return historiesOf(messages.flatMap(({ subject, id }) => (id === undefined ? [] : [[subject!, id]])))
      },
      close,
    }
  } catch (error) {
    await close()
    throw error
  }
}

function listenTo(relay: Relay): Pick<BrokerWorld, 'told' | 'printed' | 'pauses'> {
  let pauses = 0
  const told = new Set<string>()
  const printed = new Set<string>()
  const listen = ({ error }: { readonly error: Error }) => {
    told.add(`${isOutboxError(error) ? error.code : error.name}: ${error.message}`)
    printed.add(inspect(error, { depth: 10 }))
  }
  relay.on('paused', (event) => {
    pauses++
    listen(event)
  })
  relay.on('refused', listen)
  return { told, printed, pauses: () => pauses }
}

function historiesOf(events: readonly (readonly [aggregate: string, id: string])[]): Histories {
  const histories: Record<string, string[]> = {}
  for (const [aggregate, id] of events) {
    histories[aggregate] ??= []
    histories[aggregate].push(id)
  }
  return histories
}
