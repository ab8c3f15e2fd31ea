/** A whole stream, read back. */
import { AckPolicy, jetstream, jetstreamManager } from '@nats-io/jetstream'
import { connect, nanos } from '@nats-io/transport-node'
import type { Message } from './expected-message.js'

export interface StoredMessage extends Message {
  readonly sequence: number
}

export async function readStream(servers: string | string[], stream: string): Promise<StoredMessage[]> {
  const messages: StoredMessage[] = []
  for await (const message of openStream(servers, stream)) messages.push(message)
  return messages
}

/** As they come, for streams that memory cannot hold. */
export async function* openStream(servers: string | string[], stream: string): AsyncGenerator<StoredMessage> {
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
    for (let left = state.messages; left > 0; ) {
      const batch = await consumer.fetch({ max_messages: Math.min(left, 5000), expires: PATIENCE_MS })
      for await (const { seq, subject, headers, data } of batch) {
        left--
        const all = (headers?.keys() ?? []).map((key) => [key, headers?.values(key) ?? []])
        yield { sequence: seq, subject, headers: Object.fromEntries(all), data: Buffer.from(data).toString() }
        if (left === 0) break
      }
    }
  } finally {
    await connection.close()
  }
}

const PATIENCE_MS = 60_000
