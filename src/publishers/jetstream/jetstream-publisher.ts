import { jetstreamManager } from '@nats-io/jetstream'
import type { MsgHdrs, NatsConnection } from '@nats-io/transport-node'
import { natsHeaders } from '../../cloudevents/nats-headers.js'
import { encodeToken } from '../../cloudevents/percent-encoding.js'
import { checkSubject, checkSubjectPrefix, defaultSubject } from '../../cloudevents/subject.js'
import { invalidOption, isOutboxError } from '../../errors.js'
import type { RecordedEvent } from '../../events/domain-event.js'
import type { Publisher, PublisherContext, PublishOptions, PublishOutcome } from '../publisher.js'
import { type PublishError, refused, unavailable } from './broker-errors.js'
import { type Connection, ConnectionSource } from './connection-source.js'
import { publishPage, type Send } from './pipeline.js'
import { readPubAck } from './pub-ack.js'
import { Session } from './session.js'
import { checkStream, type StreamOptions } from './stream.js'

export interface JetStreamPublisherOptions {
  /**
   * A connection, which stays yours to close; connect with `maxReconnectAttempts: -1`, or it gives up for good after a
   * longer outage. Or a function that connects: called when a connection is needed and again when it is closed for good,
   * and closed with the relay.
   */
  readonly connection: Connection
  readonly stream: StreamOptions
  /**
   * Where an event goes. Encode whatever comes from data with `encodeToken`, so that it stays one token.
   *
   * @default `<prefix>.<aggregate type>.<event name>`, the prefix being `subjectPrefix`
   */
  readonly subject?: (event: RecordedEvent) => string
  /** @default the stream's name in lower case */
  readonly subjectPrefix?: string
  /** Events in flight at a time, each of another aggregate. @default 256 */
  readonly window?: number
  /** How long to wait for an acknowledgement before the event counts as unknown and is sent again. @default 5000 */
  readonly publishTimeoutMs?: number
}

/**
 * Publishes to a JetStream stream: CloudEvents in binary mode, the event's id as `Nats-Msg-Id`, one event of an
 * aggregate in flight at a time.
 *
 * @example
 * ```ts
 * import { connect } from '@nats-io/transport-node'
 *
 * const publisher = jetStreamPublisher({
 *   connection: () => connect({ servers: 'nats://127.0.0.1:4222', maxReconnectAttempts: -1 }),
 *   stream: { name: 'SHOP', create: true },
 * })
 * ```
 * @throws `ERR_OUTBOX_OPTION_INVALID`. Through the relay: `ERR_OUTBOX_STREAM_UNFIT`, `ERR_OUTBOX_UNAVAILABLE`,
 * `ERR_OUTBOX_EVENT_REFUSED`.
 */
export function jetStreamPublisher(options: JetStreamPublisherOptions): Publisher {
  return new JetStreamPublisher(options)
}

class JetStreamPublisher implements Publisher {
  readonly name: string
  readonly publishTimeoutMs: number
  readonly #window: number
  readonly #source: ConnectionSource
  readonly #stream: StreamOptions
  readonly #subjectOf: (event: RecordedEvent) => string
  /** What the stream must cover; unknown when subjects come from a function of the user. */
  readonly #subjects: string | undefined
  #session: Session | undefined
  #known = false

  constructor(options: JetStreamPublisherOptions) {
    const { connection, stream, subject, window = 256, publishTimeoutMs = 5000 } = options
    if (!/^[^\s.*>/\\]+$/.test(stream?.name ?? ''))
      throw invalidOption('stream.name', 'must be the name of a stream')
    if (typeof connection !== 'function' && typeof connection?.isClosed !== 'function')
      throw invalidOption('connection', 'must be a connection (was it awaited?) or a function that makes one')
    if (!Number.isInteger(window) || window < 1)
      throw invalidOption('window', 'must be a whole number from 1')
    if (!Number.isInteger(publishTimeoutMs) || publishTimeoutMs < 1)
      throw invalidOption('publishTimeoutMs', 'must be a whole number of milliseconds')
    if (subject !== undefined && stream.create === true)
      throw invalidOption(
        'stream.create',
        'with a subject function, say which subjects: create: { subjects: […] }',
      )
    const { subjectPrefix = encodeToken(stream.name.toLowerCase()) } = options
    checkSubjectPrefix('subjectPrefix', subjectPrefix)

    this.name = `jetstream ${stream.name}`
    this.publishTimeoutMs = publishTimeoutMs
    this.#window = window
    this.#source = new ConnectionSource(connection, publishTimeoutMs)
    this.#stream = stream
    this.#subjectOf = subject ?? defaultSubject(subjectPrefix)
    this.#subjects = subject === undefined ? `${subjectPrefix}.>` : undefined
  }

  async prepare({ leaseMs }: PublisherContext): Promise<void> {
    const { connection, connected } = await this.#open()
    if (!connected) throw unavailable('not connected to NATS')
    const manager = await jetstreamManager(connection, { timeout: this.publishTimeoutMs, checkAPI: false })
    await checkStream(manager, this.#stream, {
      known: this.#known,
      subjects: this.#subjects,
      resendMs: leaseMs + this.publishTimeoutMs,
      maxPayload: connection.info?.max_payload ?? 0,
    })
    this.#known = true
  }

  async publish(events: readonly RecordedEvent[], options: PublishOptions): Promise<PublishOutcome> {
    const session = this.#session
    if (!session?.connected)
      return {
        unacknowledged: events,
        duplicates: 0,
        refused: [],
        unavailable: unavailable('not connected to NATS'),
      }
    return publishPage(events, this.#sendOver(session), { ...options, window: this.#window })
  }

  #sendOver({ connection, inbox }: Session): Send {
    const stream = this.#stream.name
    return (event, settle) => {
      try {
        const subject = checkSubject(this.#subjectOf(event), event)
        const headers = natsHeaders(event, [
          ['Nats-Msg-Id', event.id],
          ['Nats-Expected-Stream', stream],
        ])
        const waiter = {
          answered: (message: Parameters<typeof readPubAck>[0]) =>
            settle(readPubAck(message, stream, event.id)),
          failed: settle,
        }
        inbox.send(waiter, (reply) =>
          connection.publish(subject, Buffer.from(event.data), { reply, headers: encodedHeaders(headers) }),
        )
      } catch (error) {
        settle(sendError(event.id, error, connection))
      }
    }
  }

  async #open(): Promise<Session> {
    if (this.#session && !this.#session.connection.isClosed()) return this.#session
    this.#session?.close()
    this.#session = undefined
    this.#session = new Session(await this.#source.open(), this.publishTimeoutMs)
    return this.#session
  }

  async close(): Promise<void> {
    this.#session?.close()
    this.#session = undefined
    this.#known = false
    await this.#source.close()
  }
}

/** Headers that are bytes already. Of what it is given the client calls `encode` alone. */
function encodedHeaders(block: Buffer): MsgHdrs {
  return { encode: () => block } as Partial<MsgHdrs> as MsgHdrs
}

/** What the client throws before anything is sent: either the connection is going away, or it is the event. */
function sendError(eventId: string, error: unknown, connection: NatsConnection): PublishError {
  if (isOutboxError(error) && error.code === 'ERR_OUTBOX_EVENT_REFUSED') return error
  const reason = error instanceof Error ? error.message : String(error)
  if (connection.isClosed() || connection.isDraining()) return unavailable(reason, { cause: error })
  return refused(eventId, reason, undefined, error)
}
