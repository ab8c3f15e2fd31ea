import { DeliverPolicy, type JetStreamManager, jetstream } from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'
import { reasonOf, unavailable } from './broker-errors.js'

export interface TailOptions {
  readonly stream: string
  /** What our events' subjects match. */
  readonly filter: string
  /** The sequence after which to read. */
  readonly after: number
  /** Where the stream ends. */
  readonly upTo: number
  /** How long to wait for the next message. Milliseconds. */
  readonly timeoutMs: number
  readonly signal: AbortSignal
}

/**
 * The ids of all messages between two sequences. Whether there are more is the stream leader's word: the replica that
 * serves the consumer may be behind. Never by direct get, which any replica answers; nor is the leader asked for the last
 * message of the subjects, because it says that there is none when the last one was deleted (nats-server 2.9, and with
 * `>` all of them; test/faults/recovery.test.ts).
 *
 * @throws `ERR_OUTBOX_UNAVAILABLE`
 */
export async function readTail(
  connection: NatsConnection,
  manager: JetStreamManager,
  options: TailOptions,
): Promise<Set<string>> {
  const { stream, filter, after, upTo, signal } = options
  const isLast = async (sequence: number) => {
    const next = { seq: sequence + 1, next_by_subj: filter } // known to all servers, and not to the client's type
    return sequence >= upTo || (await manager.streams.getMessage(stream, next)) === null
  }
  try {
    if (await isLast(after)) return new Set()
    return await readIds(connection, options, isLast)
  } catch (error) {
    signal.throwIfAborted()
    throw unavailable(`the end of stream ${stream} cannot be read: ${reasonOf(error)}`, { cause: error })
  }
}

async function readIds(
  connection: NatsConnection,
  { stream, filter, after, upTo, timeoutMs, signal }: TailOptions,
  isLast: (sequence: number) => Promise<boolean>,
): Promise<Set<string>> {
  const consumer = await jetstream(connection, { timeout: timeoutMs }).consumers.get(stream, {
    filter_subjects: filter,
    headers_only: true,
    deliver_policy: DeliverPolicy.StartSequence,
    opt_start_seq: after + 1,
  })
  const messages = await consumer.consume({ max_messages: BATCH })
  const ids = new Set<string>()
  const stop = () => void messages.stop()
  const timer = setTimeout(stop, timeoutMs)
  signal.addEventListener('abort', stop)
  try {
    for await (const message of messages) {
      timer.refresh()
      const id = message.headers?.get('Nats-Msg-Id')
      if (id) ids.add(id)
      const mayBeLast = message.seq >= upTo || message.info.pending === 0
      if (mayBeLast && (await isLast(message.seq))) return ids
    }
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', stop)
    await messages.close()
    await consumer.delete().catch(() => {}) // it goes by itself after a while
  }
  throw new Error(`nothing came within ${timeoutMs} ms`)
}

const BATCH = 1000
