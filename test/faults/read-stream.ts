/** A whole stream, read back. */
import { AckPolicy, jetstream, jetstreamManager } from '@nats-io/jetstream'
import { connect, nanos } from '@nats-io/transport-node'

export interface StoredMessage {
  readonly sequence: number
  readonly subject: string
  readonly headers: Readonly<Record<string, readonly string[]>>
  readonly data: string
}

export async function readStream(servers: string | string[], stream: string): Promise<StoredMessage[]> {
  const connection = await connect({ servers })
  try {
    const manager = await jetstreamManager(connection)
    const { state } = await manager.streams.info(stream)
    const { name } = await manager.consumers.add(stream, {
      ack_policy: AckPolicy.None,
      mem_storage: true,
      inactive_threshold: nanos(PATIENCE_MS), // by itself it is gone when a busy machine does not ask for five seconds
    })
    const consumer = await jetstream(connection).consumers.get(stream, name)
    const messages: StoredMessage[] = []
    while (messages.length < state.messages) {
      const batch = await consumer.fetch({ max_messages: 5000, expires: PATIENCE_MS })
      for await (const { seq, subject, headers, data } of batch) {
        const all = (headers?.keys() ?? []).map((key) => [key, headers?.values(key) ?? []])
        messages.push({
          sequence: seq,
          subject,
          headers: Object.fromEntries(all),
          data: Buffer.from(data).toString(),
        })
        if (messages.length === state.messages) break
      }
    }
    return messages
  } finally {
    await connection.close()
  }
}

const PATIENCE_MS = 60_000
