import { createInbox, type Msg } from '@nats-io/transport-node'
import type { RecordedEvent } from '../../events/domain-event.js'
import type { PublishOptions, PublishOutcome } from '../publisher.js'
import { unavailable } from './broker-errors.js'
import type { MessageWriter } from './message-writer.js'
import type { Session } from './session.js'

export interface IngestOptions extends PublishOptions {
  readonly stream: string
  /** Events in flight at a time. */
  readonly window: number
  readonly windowBytes: number
  readonly timeoutMs: number
}

/** Since nats-server 2.14; older ones take the messages of a batch for ordinary ones. */
export function knowsFastIngest(version = ''): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  return major > 2 || (major === 2 && minor >= 14)
}

/** How far a batch got. */
export interface Ingested {
  /** So many events, from the first, are in the stream. Of the others nobody knows. */
  readonly count: number
  /** Sequence of the last one stored, if that was said. */
  readonly lastSequence: number
  /** Why the destination took no more. Undefined, though not all are stored: because of an event. */
  readonly unavailable?: PublishOutcome['unavailable']
}

/**
 * Publishes events as one batch by JetStream's fast ingest (ADR-50, nats-server 2.14), gaps forbidden: whatever is in
 * flight, the server stores no message of a batch after one that it did not store.
 */
export function ingest(
  events: readonly RecordedEvent[],
  writer: MessageWriter,
  session: Session,
  options: IngestOptions,
): Promise<Ingested> {
  return new Batch(events, writer, session, options).publish()
}

/** Messages name their batch, and their sequence in it, in the subject that they are to be answered at. */
class Batch {
  readonly #events: readonly RecordedEvent[]
  readonly #writer: MessageWriter
  readonly #session: Session
  readonly #options: IngestOptions
  readonly #name: string
  /** The bytes of each message that was sent. */
  readonly #sizes: number[] = []
  #bytesInFlight = 0
  #stored = 0
  #window: number
  #resolve!: (ingested: Ingested) => void

  constructor(
    events: readonly RecordedEvent[],
    writer: MessageWriter,
    session: Session,
    options: IngestOptions,
  ) {
    this.#events = events
    this.#writer = writer
    this.#session = session
    this.#options = options
    this.#window = options.window
    this.#name = createInbox(session.inboxPrefix)
  }

  publish(): Promise<Ingested> {
    const { timeoutMs, signal } = this.#options
    const late = unavailable(`no acknowledgement within ${timeoutMs} ms`)
    const timer = setTimeout(() => this.#end({ unavailable: late }), timeoutMs)
    const abort = () => this.#end({})
    signal.addEventListener('abort', abort)
    const forget = this.#session.onLoss((error, subject) =>
      this.#end(subject === undefined ? { unavailable: error } : {}),
    )
    const subscription = this.#session.connection.subscribe(`${this.#name}.>`, {
      callback: (error, message) => {
        timer.refresh()
        if (error) this.#end({ unavailable: unavailable(error.message) })
        else this.#answered(message)
      },
    })
    return new Promise<Ingested>((resolve) => {
      this.#resolve = resolve
      this.#send()
    }).finally(() => {
      clearTimeout(timer)
      signal.removeEventListener('abort', abort)
      forget()
      subscription.unsubscribe()
    })
  }

  #end(how: Partial<Ingested>): void {
    this.#resolve({ count: this.#stored, lastSequence: 0, ...how })
  }

  #send(): void {
    const { windowBytes, signal, maySend } = this.#options
    try {
      if (signal.aborted || !maySend()) throw new Error('may not send')
      while (
        this.#sizes.length < this.#events.length &&
        this.#sizes.length - this.#stored < this.#window &&
        this.#bytesInFlight < windowBytes
      ) {
        this.#sendNext()
        if (this.#sizes.length === 1) return // the others go when the server knows the batch
      }
    } catch {
      this.#end({}) // why, and for which event, comes out when they are sent one by one
    }
  }

  #sendNext(): void {
    const index = this.#sizes.length
    const operation = index === 0 ? START : index === this.#events.length - 1 ? COMMIT : APPEND
    const reply = `${this.#name}.${this.#interval}.fail.${index + 1}.${operation}.$FI`
    const event = this.#events[index] as RecordedEvent
    const subject = this.#writer.subjectOf(event)
    const bytes = this.#writer.publish(event, subject, reply, this.#session.connection)
    this.#sizes.push(bytes)
    this.#bytesInFlight += bytes
  }

  /** After how many messages the server should say how far it is. */
  get #interval(): number {
    return Math.ceil(this.#options.window / 2)
  }

  #answered(message: Msg): void {
    const answer = readAnswer(message)
    if (answer?.batch !== undefined && answer.stream === this.#options.stream)
      // Without a sequence the batch has stored nothing: duplicates, of what may be gone since.
      this.#end({ count: answer.seq ? (answer.count ?? 0) : 0, lastSequence: answer.seq ?? 0 })
    else if (answer?.type !== 'ack') this.#end({})
    else {
      const stored = Math.max(this.#stored, answer.seq ?? 0)
      while (this.#stored < stored) this.#bytesInFlight -= this.#sizes[this.#stored++] ?? 0
      this.#window = Math.min(this.#options.window, 2 * (answer.msgs ?? this.#interval))
      this.#send()
    }
  }
}

const START = 0
const APPEND = 1
const COMMIT = 2

/** What a server says within a batch: how far it is, that there is a gap, or that the batch has ended. */
interface Answer {
  readonly type?: string
  readonly seq?: number
  readonly msgs?: number
  readonly stream?: string
  readonly batch?: string
  readonly count?: number
}

function readAnswer(message: Msg): Answer | undefined {
  try {
    return message.json<Answer>()
  } catch {
    return undefined
  }
}
