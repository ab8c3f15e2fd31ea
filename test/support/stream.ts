import { jetstream } from '@nats-io/jetstream'
import type { MsgHdrs, NatsConnection } from '@nats-io/transport-node'

export interface StoredMessage {
  readonly sequence: number
  readonly subject: string
  readonly headers: MsgHdrs
  /** The CloudEvents attributes, decoded. */
  readonly ce: Readonly<Record<string, string>>
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
    const ce = headers
      .keys()
      .filter((key) => key.startsWith('ce-'))
      .map((key) => [key.slice('ce-'.length), decodeURIComponent(headers.get(key))])
    found.push({
      sequence: message.seq,
      subject: message.subject,
      headers,
      ce: Object.fromEntries(ce),
      text: message.string(),
    })
    if (message.info.pending === 0) break
  }
  return found
}
