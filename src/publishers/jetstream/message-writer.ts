import type { MsgHdrs, NatsConnection } from '@nats-io/transport-node'
import { NatsHeaders } from '../../cloudevents/nats-headers.js'
import { TextSlab } from '../../cloudevents/text-slab.js'
import { isOutboxError } from '../../errors.js'
import { messageId, type RecordedEvent } from '../../events/domain-event.js'
import { type PublishError, refused, unavailable } from './broker-errors.js'
import type { Entry } from './open-page.js'
import type { Session } from './session.js'

/** Makes messages of events, with headers as bytes, and sends them. */
export class MessageWriter {
  readonly #subjectOf: (event: RecordedEvent) => string
  readonly #slab = new TextSlab()
  readonly #headers = new NatsHeaders(this.#slab)
  readonly #expectedStream: string
  #block: Uint8Array = new Uint8Array()
  /** One for all messages, each of which the client has copied when `publish` returns. */
  readonly #options = { reply: '', headers: encodedHeaders(() => this.#block) }

  constructor(stream: string, subjectOf: (event: RecordedEvent) => string) {
    this.#subjectOf = subjectOf
    this.#expectedStream = `Nats-Expected-Stream: ${stream}\r\n`
  }

  /** @throws `ERR_OUTBOX_EVENT_REFUSED`, and what a function of the user throws. */
  subjectOf(event: RecordedEvent): string {
    return this.#subjectOf(event)
  }

  /** Sends an entry, whose acknowledgement comes to the session's inbox; or says why it was not sent. */
  send(entry: Entry, { connection, inbox }: Session): PublishError | undefined {
    const number = inbox.expect(entry)
    try {
      entry.subject = this.#subjectOf(entry.event)
      entry.bytes = this.publish(
        entry.event,
        entry.subject,
        inbox.replyTo(number),
        connection,
        entry.expectedLast,
      )
    } catch (error) {
      inbox.forget(number)
      return sendError(entry.event.id, error, connection)
    }
    return undefined
  }

  /** @returns the bytes of its data. @throws what the client throws. */
  publish(
    event: RecordedEvent,
    subject: string,
    reply: string,
    connection: NatsConnection,
    expectedLast?: number,
  ): number {
    let headers = `Nats-Msg-Id: ${messageId(event)}\r\n${this.#expectedStream}`
    if (expectedLast !== undefined) headers += `Nats-Expected-Last-Sequence: ${expectedLast}\r\n`
    const data = this.#slab.encode(event.data)
    this.#block = this.#headers.encode(event, headers)
    this.#options.reply = reply
    connection.publish(subject, data, this.#options)
    return data.length
  }
}

/** Headers that are bytes already. Of what it is given the client calls `encode` alone. */
function encodedHeaders(encode: () => Uint8Array): MsgHdrs {
  return { encode } as Partial<MsgHdrs> as MsgHdrs
}

/** What the client throws before anything is sent: either the connection is going away, or it is the event. */
function sendError(eventId: string, error: unknown, connection: NatsConnection): PublishError {
  if (isOutboxError(error) && error.code === 'ERR_OUTBOX_EVENT_REFUSED') return error
  const reason = error instanceof Error ? error.message : String(error)
  if (connection.isClosed() || connection.isDraining()) return unavailable(reason, { cause: error })
  const limit = `the server takes ${connection.info?.max_payload} bytes (max_payload)`
  return refused(eventId, /max_payload/.test(reason) ? limit : reason, undefined, error)
}
