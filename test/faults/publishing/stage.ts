/** A log and a stream, for a relay between them. */
import { setTimeout as sleep } from 'node:timers/promises'
import { jetstreamManager, type StreamAPI, type StreamConfig } from '@nats-io/jetstream'
import { connect, type NatsConnection, nanos } from '@nats-io/transport-node'
import {
  createRelay,
  type Publisher,
  type RecordedEvent,
  type Relay,
  type RelayOptions,
} from 'drizzle-outbox'
import { type JetStreamPublisherOptions, jetStreamPublisher } from 'drizzle-outbox/jetstream'
import type { Database, NatsServer } from '../../../dev/servers/index.js'
import { readLog } from '../../../src/event-log/read-log.js'
import { type OpenDatabase, openDatabase } from '../../support/outbox-databases.js'
import { freshDatabase } from '../../support/servers.js'
import { accountEvents, createTables, SOURCE } from '../accounts.js'
import { readStream } from '../read-stream.js'

/** As short as servers take it. Milliseconds. */
export const DUPLICATE_WINDOW = 100
export const FORGETFUL: Partial<StreamConfig> = { duplicate_window: nanos(DUPLICATE_WINDOW) }

let stages = 0

export class Stage {
  readonly stream = `STAGE_${++stages}`
  readonly open: OpenDatabase
  readonly connection: NatsConnection
  readonly streams: StreamAPI
  readonly #database: Database
  readonly #nats: NatsServer

  private constructor(nats: NatsServer, database: Database, connection: NatsConnection, streams: StreamAPI) {
    this.#nats = nats
    this.#database = database
    this.open = openDatabase(database.url)
    this.connection = connection
    this.streams = streams
  }

  static async set(nats: NatsServer): Promise<Stage> {
    const connection = await connect({ servers: nats.url, maxReconnectAttempts: -1, reconnectTimeWait: 20 })
    const { streams } = await jetstreamManager(connection)
    const stage = new Stage(nats, await freshDatabase(), connection, streams)
    await createTables(stage.open)
    return stage
  }

  publisher(
    options: Partial<JetStreamPublisherOptions> = {},
    config = FORGETFUL,
    make = jetStreamPublisher,
  ): Publisher {
    const { connection, stream: name } = this
    const stream = { name, create: config, allow: ['duplicate-window'] as const }
    return make({ connection, stream, publishTimeoutMs: 1000, ...options })
  }

  relay(publisher: Publisher, options: Partial<RelayOptions> = {}): Relay {
    const { db } = this.open
    return createRelay({ db, batchSize: 10, minBackoffMs: 10, maxBackoffMs: 50, publisher, ...options })
  }

  /** In one transaction, events of three aggregates, or so many. */
  async write(count: number, aggregates = 3): Promise<void> {
    const events = Array.from({ length: count }, (_, n) =>
      accountEvents.noted(`account ${n % aggregates}`, { text: 'x' }),
    )
    await this.open.db.transaction(async (tx) => tx.outbox.add(...events))
  }

  /** The log. */
  events(): Promise<RecordedEvent[]> {
    return readLog(this.open.db['~drizzle-outbox'].log, SOURCE)
  }

  /** Ids, in the order of the log. */
  async logged(): Promise<string[]> {
    return (await this.events()).map(({ id }) => id)
  }

  /** Ids, in the order of the stream. */
  async stored(): Promise<(string | undefined)[]> {
    const messages = await readStream(this.#nats.url, this.stream)
    return messages.map(({ headers }) => headers['Nats-Msg-Id']?.[0])
  }

  /** The server is killed and comes back. Resolves when the connection does. */
  async restart(meanwhile: () => Promise<void> = async () => {}): Promise<void> {
    await this.#nats.kill()
    await meanwhile()
    await this.#nats.restart()
    while (!(await this.connection.rtt().catch(() => false))) await sleep(10)
  }

  async clear(): Promise<void> {
    await this.connection.close()
    await this.open.close()
    await this.#database.drop()
  }
}
