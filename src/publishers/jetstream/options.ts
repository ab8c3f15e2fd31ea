import { encodeToken } from '../../cloudevents/percent-encoding.js'
import { checkSubjectPrefix } from '../../cloudevents/subject.js'
import { invalidOption } from '../../errors.js'
import type { RecordedEvent } from '../../events/domain-event.js'
import type { Connection } from './connection-source.js'
import { checkRisks, type StreamOptions } from './stream.js'

export interface JetStreamPublisherOptions {
  /**
   * A connection, which stays yours to close; connect with `maxReconnectAttempts: -1`, or it gives up for good after a
   * longer outage. Or a function that connects: called when a connection is needed, again when it is closed for good or
   * half open, and closed with the relay. The client's `reconnectTimeWait` (by default 2000) and `timeout` (20000) should
   * be well below `publishTimeoutMs`: such as 250 and 2000.
   */
  readonly connection: Connection
  readonly stream: StreamOptions
  /**
   * What is kept in order.
   *
   * - `aggregate`: the events of each aggregate. Other publishers may write to the stream.
   * - `stream`: the whole stream, in the order of the log. **Only this relay may write to it.** Each event is stored on
   *   condition that the stream ends with the one before: a relay that is behind can store nothing, and a resend after
   *   any outage is refused instead of stored twice.
   *
   * @default 'aggregate'
   */
  readonly ordering?: 'aggregate' | 'stream'
  /**
   * Where an event goes, in up to 3072 bytes. Encode whatever comes from data with `encodeToken`, so that it stays one
   * token.
   *
   * @default `<prefix>.<aggregate type>.<event name>`, the prefix being `subjectPrefix`
   */
  readonly subject?: (event: RecordedEvent) => string
  /** Of up to 1024 bytes. @default the stream's name in lower case, as one token */
  readonly subjectPrefix?: string
  /** Events in flight at a time; with ordering `aggregate`, each of another aggregate. @default 256 */
  readonly window?: number
  /** Bytes of event data in flight at a time; a single event may be larger. @default 8388608, 8 MiB */
  readonly windowBytes?: number
  /**
   * Within so long of the end of an outage events are acknowledged again, if the connection's options allow it. An event
   * without an acknowledgement after nine tenths of it is unknown, and sent again unless it is found at the end of the
   * stream; a server that is not heard of for five eighths counts as gone. A round trip must take less than half of it.
   * Milliseconds.
   *
   * @default 5000
   */
  readonly publishTimeoutMs?: number
}

export type ResolvedOptions = Required<Omit<JetStreamPublisherOptions, 'subject'>> & {
  readonly subject: JetStreamPublisherOptions['subject']
  /** How long an acknowledgement is waited for: what is left of the publish timeout is for beginning anew. Milliseconds. */
  readonly ackTimeoutMs: number
}

/** @throws `ERR_OUTBOX_OPTION_INVALID` */
export function resolveOptions(options: JetStreamPublisherOptions): ResolvedOptions {
  const { connection, stream, subject, ordering = 'aggregate' } = options
  if (!STREAM_NAME.test(stream?.name ?? ''))
    throw invalidOption('stream.name', 'must be the name of a stream')
  checkRisks(stream.allow ?? [])
  if (typeof connection !== 'function' && typeof connection?.isClosed !== 'function')
    throw invalidOption('connection', 'must be a connection (was it awaited?) or a function that makes one')
  if (ordering !== 'aggregate' && ordering !== 'stream')
    throw invalidOption('ordering', "must be 'aggregate' or 'stream'")
  if (subject !== undefined && stream.create === true)
    throw invalidOption(
      'stream.create',
      'with a subject function, say which subjects: create: { subjects: […] }',
    )
  const numbers = { window: 256, windowBytes: 8 * 1024 * 1024, publishTimeoutMs: 5000 }
  for (const option of ['window', 'windowBytes', 'publishTimeoutMs'] as const) {
    numbers[option] = options[option] ?? numbers[option]
    if (!Number.isInteger(numbers[option]) || numbers[option] < 1)
      throw invalidOption(option, 'must be a whole number from 1')
  }
  const { subjectPrefix = encodeToken(stream.name.toLowerCase()) } = options
  checkSubjectPrefix('subjectPrefix', subjectPrefix)
  const ackTimeoutMs = Math.ceil(0.9 * numbers.publishTimeoutMs)
  return { connection, stream, ordering, subject, subjectPrefix, ...numbers, ackTimeoutMs }
}

/** One token, and no path. */
const STREAM_NAME = /^[^\s.*>/\\\p{Cc}\p{Cs}]+$/u
