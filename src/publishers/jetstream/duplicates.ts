import type { JetStreamManager } from '@nats-io/jetstream'
import { type PublishError, reasonOf, unavailable } from './broker-errors.js'
import type { Ack } from './pub-ack.js'

/**
 * Whether the message that an event was taken for a duplicate of is there, and is that event. The server remembers ids
 * for the length of the duplicate window, and answers by them even when the message was deleted or purged meanwhile.
 */
export async function verifyDuplicate(
  manager: JetStreamManager,
  stream: string,
  sequence: number,
  messageId: string,
): Promise<Ack | PublishError> {
  try {
    const message = await manager.streams.getMessage(stream, { seq: sequence })
    if (message?.header.get('Nats-Msg-Id') === messageId) return { seq: sequence, duplicate: true }
  } catch (error) {
    return unavailable(`cannot look at message ${sequence} of stream ${stream}: ${reasonOf(error)}`, {
      cause: error,
    })
  }
  return unavailable(
    `event ${messageId} was deduplicated against message ${sequence} of stream ${stream}, which is gone; it can be stored when the duplicate window has passed`,
  )
}
