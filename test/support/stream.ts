import { type JetStreamManager, jetstream } from '@nats-io/jetstream'
import type { MsgHdrs, NatsConnection } from '@nats-io/transport-node'

export interface StoredMessage {
  readonly sequence: number
  readonly subject: string
  readonly headers: MsgHdrs
  /** The CloudEvents attributes, decoded. */
  readonly ce: Readonly<Record<string, string>>
  readonly data: Uint8Array
  readonly text: string
}

/** Everything that a stream holds, in its order. */
export async function readStream(connection: NatsConnection, stream: string): Promise<StoredMessage[]> {
  const consumer = await jetstream(connection).consumers.get(stream)
  const { num_pending } = await consumer.info(true)
  const found: StoredMessage[] = []
  if (num_pending === 0) return found
  const messages = await consumer.consume({ max_messages: 5000 })
  for await (const message of messages) {
    const { headers } = message
    if (headers === undefined) throw new Error(`message ${message.seq} has no headers`)
    found.push({
      sequence: message.seq,
      subject: message.subject,
      headers,
      ce: attributesOf(headers),
      data: message.data,
      text: message.string(),
    })
    if (message.info.pending === 0) break
  }
  return found
}

/**
 * The attributes of all messages, asked of the stream's leader one by one. A consumer in a cluster may live on a server
 * that is some messages behind, and then gives fewer, or waits for them.
 */
export async function readFromLeader(
  manager: JetStreamManager,
  stream: string,
): Promise<StoredMessage['ce'][]> {
  const { state } = await manager.streams.info(stream)
  const found: StoredMessage['ce'][] = []
  for (let first = state.first_seq; first <= state.last_seq; first += 200) {
    const sequences = Array.from(
      { length: Math.min(200, state.last_seq - first + 1) },
      (_, index) => first + index,
    )
    const messages = await Promise.all(sequences.map((seq) => manager.streams.getMessage(stream, { seq })))
    for (const message of messages) if (message !== null) found.push(attributesOf(message.header))
  }
  return found
}

function attributesOf(headers: MsgHdrs): StoredMessage['ce'] {
  const ce = headers
    .keys()
    .filter((key) => key.startsWith('ce-'))
    .map((key) => [key.slice('ce-'.length), decodeURIComponent(headers.get(key))])
  return Object.fromEntries(ce)
}
