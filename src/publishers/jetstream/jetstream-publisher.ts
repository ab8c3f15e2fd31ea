import { type JetStreamManager, jetstreamManager, type StreamInfo } from '@nats-io/jetstream'
import type { Msg } from '@nats-io/transport-node'
import { checkSubject, defaultSubject } from '../../cloudevents/subject.js'
import { isOutboxError } from '../../errors.js'
import { messageId, type RecordedEvent } from '../../events/domain-event.js'
import { describeThrown } from '../../foreign-errors.js'
import type {
  DiagnoseContext,
  Finding,
  Publisher,
  PublisherContext,
  PublishOptions,
  PublishOutcome,
  Recovered,
  RecoverFrom,
} from '../publisher.js'
import type { AckHandlers } from './ack-inbox.js'
import { type PublishError, reasonOf, refused, unavailable } from './broker-errors.js'
import { Chain } from './chain.js'
import { ConnectionSource } from './connection-source.js'
import { diagnoseStream } from './diagnose.js'
import { verifyDuplicate } from './duplicates.js'
import { ingest, knowsFastIngest } from './fast-ingest.js'
import { HotPages } from './hot-pages.js'
import { InOrder } from './in-order.js'
import { Lanes } from './lanes.js'
import { MessageWriter } from './message-writer.js'
import type { Entry } from './open-page.js'
import { type JetStreamPublisherOptions, type ResolvedOptions, resolveOptions } from './options.js'
import { Pipeline } from './pipeline.js'
import { type Ack, PubAckReader } from './pub-ack.js'
import { Session } from './session.js'
import { checkStream, findStream } from './stream.js'
import type { StreamNeeds } from './stream-checks.js'
import { destinationLost, endOf, formatEnd, lostSince, parseEnd, replayRefused } from './stream-end.js'
import { readTail } from './tail.js'

/**
 * Publishes to a JetStream stream: CloudEvents in binary mode, the event's id as `Nats-Msg-Id`, in order per aggregate
 * or over the whole stream.
 *
 * @example
 * ```ts
 * import { connect } from '@nats-io/transport-node'
 *
 * const publisher = jetStreamPublisher({
 *   connection: () =>
 *     connect({ servers: 'nats://127.0.0.1:4222', maxReconnectAttempts: -1, reconnectTimeWait: 250, timeout: 2_000 }),
 *   stream: { name: 'SHOP', create: true },
 * })
 * ```
 * @throws `ERR_OUTBOX_OPTION_INVALID`. Through the relay: `ERR_OUTBOX_STREAM_UNFIT`, `ERR_OUTBOX_UNAVAILABLE`,
 * `ERR_OUTBOX_EVENT_REFUSED`, `ERR_OUTBOX_FENCED`, `ERR_OUTBOX_DESTINATION_LOST`.
 */
export function jetStreamPublisher(options: JetStreamPublisherOptions): Publisher {
  return new JetStreamPublisher(resolveOptions(options))
}

class JetStreamPublisher implements Publisher {
  readonly name: string
  readonly publishTimeoutMs: number
  readonly maxOpenPages = 2
  readonly #options: ResolvedOptions
  readonly #source: ConnectionSource
  readonly #writer: MessageWriter
  readonly #acks: PubAckReader
  /** What the stream must cover; unknown when subjects come from a function of the user. */
  readonly #subjects: string | undefined
  readonly #inbox: AckHandlers<Entry>
  readonly #listeners = new Set<() => void>()
  readonly #answers = new InOrder()
  #session: Session | undefined
  #pipeline: Pipeline | undefined
  #publish: Publisher['publish'] | undefined
  #mode: 'pipelined' | 'fast ingest' = 'pipelined'
  #known = false
  #resendMs = 0
  #checkedAt = 0
  #entering: Promise<unknown> = Promise.resolve()

  constructor(options: ResolvedOptions) {
    const { connection, stream, subject, subjectPrefix, publishTimeoutMs } = options
    this.name = `jetstream ${stream.name}`
    this.publishTimeoutMs = publishTimeoutMs
    this.#options = options
    this.#source = new ConnectionSource(connection, publishTimeoutMs, this.#tellAvailable)
    const subjectOf = subject ? subjectBy(subject) : defaultSubject(subjectPrefix)
    this.#acks = new PubAckReader(stream.name)
    this.#writer = new MessageWriter(stream.name, subjectOf)
    this.#subjects = subject === undefined ? `${subjectPrefix}.>` : undefined
    this.#inbox = {
      answered: (entry, message) => this.#answered(entry, message),
      failed: (entry, error) => entry.page.pipeline.settle(entry, error),
    }
  }

  async prepare({ leaseMs, signal }: PublisherContext): Promise<void> {
    const session = await this.#open()
    await session.answers()
    this.#resendMs = leaseMs + this.publishTimeoutMs
    const info = await session.whileUp(this.#check(session))
    signal.throwIfAborted()
    this.#begin(session, info)
  }

  async recover(from: RecoverFrom): Promise<Recovered> {
    const session = await this.#open()
    const { info, stored } = await session.whileUp(this.#lookBack(session, from))
    from.signal.throwIfAborted()
    this.#begin(session, info)
    return { state: formatEnd(endOf(info)), stored }
  }

  async #lookBack(session: Session, { state, unsettled, replay, signal }: RecoverFrom) {
    const { ordering, stream, publishTimeoutMs: timeoutMs } = this.#options
    const manager = await this.#manager(session)
    const info = await findStream(manager, stream.name)
    if (info === undefined) throw unavailable(`stream ${stream.name} is missing`)
    const before = parseEnd(stream.name, state)
    const lost = before && lostSince(before, info)
    const lossIsAllowed = replay !== undefined || stream.allow?.includes('lost-events')
    if (lost !== undefined && !lossIsAllowed) throw destinationLost(stream.name, lost)
    if (replay === 'asked' && ordering === 'stream' && info.state.messages > 0)
      throw replayRefused(stream.name)
    const after = before === undefined || lost?.reason === 'created anew' ? 0 : before.lastSequence
    const filter = this.#subjects ?? '>'
    const tail = { stream: stream.name, filter, after, upTo: info.state.last_seq, timeoutMs, signal }
    const stored = unsettled ? await readTail(session.connection, manager, tail) : new Set<string>()
    return { info, stored }
  }

  publish(events: readonly RecordedEvent[], options: PublishOptions): Promise<PublishOutcome> {
    // One after the other, so that no page overtakes another while the stream is looked at.
    const trouble = this.#entering.then(() => this.#trouble())
    this.#entering = trouble
    return trouble.then((reason) => {
      const unpublished = { unacknowledged: events, duplicates: 0, refused: [] }
      if (options.signal.aborted) return unpublished
      // Nor may a later page go, though there is no more trouble: what it follows was not stored.
      if (reason !== undefined) this.#pipeline?.halt({ unavailable: reason })
      if (this.#publish) return this.#publish(events, options)
      return { ...unpublished, unavailable: reason ?? unavailable('not prepared') }
    })
  }

  /** By way of the stream's leader. A connection that is down would keep the question until it is up again. */
  async ping(): Promise<void> {
    if (this.#session?.usable && !this.#session.connected) throw this.#session.trouble()
    const { stream, publishTimeoutMs: timeout } = this.#options
    const manager = await jetstreamManager(await this.#source.open(), { timeout, checkAPI: false })
    if ((await findStream(manager, stream.name)) === undefined)
      throw unavailable(`stream ${stream.name} is missing`)
  }

  async diagnose({ leaseMs, state, signal }: DiagnoseContext): Promise<Finding[]> {
    const session = await this.#open()
    await session.answers()
    const { stream } = this.#options
    const finding = this.#manager(session).then((manager) => findStream(manager, stream.name))
    const info = await session.whileUp(finding)
    signal.throwIfAborted()
    const { server_name: name, version = '' } = session.connection.info ?? {}
    const needs = this.#needs(session, leaseMs + this.publishTimeoutMs)
    return [
      { check: 'server', level: 'ok', message: `nats-server ${version}, ${name}` },
      ...diagnoseStream(stream, info, needs, parseEnd(stream.name, state), version),
    ]
  }

  status() {
    const { ordering, stream } = this.#options
    return { stream: stream.name, ordering, mode: this.#mode }
  }

  #answered(entry: Entry, message: Msg): void {
    const { pipeline } = entry.page
    const answer = this.#verified(this.#acks.read(message, entry.event.id), entry)
    // The answer to a duplicate that is still looked at may say why the next one is misplaced.
    this.#answers.hand(answer, (result) => pipeline.settle(entry, result))
  }

  #verified(answer: Ack | PublishError, { event }: Entry): typeof answer | Promise<typeof answer> {
    if ('code' in answer || !answer.duplicate || !this.#session) return answer
    const { name } = this.#options.stream
    const verified = this.#manager(this.#session).then((manager) =>
      verifyDuplicate(manager, name, answer.seq, messageId(event)),
    )
    return this.#session.whileUp(verified).catch((lost: PublishError) => lost)
  }

  /** Anew: what the old pipeline has in flight is answered for in its own pages. */
  #begin(session: Session, info: StreamInfo): void {
    const { ordering, window, windowBytes, ackTimeoutMs: timeoutMs, stream } = this.#options
    const end = endOf(info)
    const { lastSequence } = end
    const order = ordering === 'stream' ? new Chain(lastSequence) : new Lanes()
    const pipeline = new Pipeline(order, (entry) => this.#writer.send(entry, session), {
      window,
      windowBytes,
      lastSequence,
      stateOf: (last) => formatEnd({ ...end, lastSequence: last }),
    })
    this.#pipeline = pipeline
    this.#mode = 'pipelined'
    this.#publish = (events, options) => pipeline.publish(events, options)
    if (ordering === 'stream' || !info.config.allow_batched) return
    const batch = { stream: stream.name, window, windowBytes, timeoutMs }
    const hotPages = new HotPages({
      pipeline,
      ingest: (events, options) => ingest(events, this.#writer, session, { ...options, ...batch }),
      maxAggregates: window / 8,
      onMode: (mode) => {
        this.#mode = mode
      },
    })
    this.#publish = hotPages.publish
  }

  async #check(session: Session): Promise<StreamInfo> {
    const manager = await this.#manager(session)
    const found = await checkStream(manager, this.#options.stream, this.#needs(session, this.#resendMs))
    this.#known = true
    this.#checkedAt = performance.now()
    return found
  }

  #needs({ connection: { info } }: Session, resendMs: number): StreamNeeds {
    return {
      known: this.#known,
      subjects: this.#subjects,
      exclusive: this.#options.ordering === 'stream',
      fastIngest: knowsFastIngest(info?.version),
      resendMs,
      maxPayload: info?.max_payload ?? 0,
    }
  }

  /**
   * Why nothing can be published. The stream is looked at again from time to time: its settings can be changed under
   * way, and then the server may go on to acknowledge what it does not keep.
   */
  async #trouble(): Promise<PublishOutcome['unavailable']> {
    if (!this.#session?.connected) return this.#session?.trouble() ?? unavailable('not connected to NATS')
    if (performance.now() - this.#checkedAt < 2 * this.publishTimeoutMs) return undefined
    // As of now: what is acknowledged while the stream is looked at may be missing in the answer.
    const before = parseEnd(this.#options.stream.name, this.#pipeline?.state)
    try {
      const info = await this.#session.whileUp(this.#check(this.#session))
      const lost = before && lostSince(before, info)
      return lost && unavailable(`stream ${this.#options.stream.name} has lost events: ${lost.text}`)
    } catch (error) {
      return unavailable(reasonOf(error), { cause: error })
    }
  }

  /** A connection that is half open is left for another, if there can be one. @throws `ERR_OUTBOX_UNAVAILABLE` */
  async #open(): Promise<Session> {
    const left = this.#session?.silent && this.#source.abandon()
    if (left || !this.#session?.usable) {
      this.#session?.close()
      this.#session = undefined
      const { ackTimeoutMs, publishTimeoutMs } = this.#options
      const options = {
        ackTimeoutMs,
        publishTimeoutMs,
        handlers: this.#inbox,
        onAvailable: this.#tellAvailable,
      }
      this.#session = new Session(await this.#source.open(), options)
    }
    if (!this.#session.connected) throw this.#session.trouble()
    return this.#session
  }

  onAvailable(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  readonly #tellAvailable = () => {
    for (const listener of this.#listeners) listener()
  }

  #manager({ connection }: Session): Promise<JetStreamManager> {
    return jetstreamManager(connection, { timeout: this.publishTimeoutMs, checkAPI: false })
  }

  async close(): Promise<void> {
    this.#session?.close()
    this.#session = undefined
    this.#pipeline = undefined
    this.#publish = undefined
    this.#known = false
    await this.#source.close()
  }
}

function subjectBy(subject: (event: RecordedEvent) => string): typeof subject {
  return (event) => {
    try {
      return checkSubject(subject(event), event)
    } catch (error) {
      if (isOutboxError(error)) throw error
      throw refused(event.id, `the subject function threw ${describeThrown(error)}`)
    }
  }
}
