import type { Msg } from '@nats-io/transport-node'
import { brokerError, type PublishError, unavailable } from './broker-errors.js'

export type AckResult = 'stored' | 'duplicate' | PublishError

interface PubAck {
  readonly stream?: string
  readonly seq?: number
  readonly duplicate?: boolean
  readonly error?: { readonly err_code?: number; readonly description?: string }
}

/**
 * What an acknowledgement says about an event. It is stored only if the expected stream gives it a sequence: servers
 * have been seen to answer `duplicate` with sequence 0 for a message that no stream holds.
 */
export function readPubAck(message: Msg, stream: string, eventId: string): AckResult {
  if (message.headers?.code === NO_RESPONDERS)
    return unavailable(
      `no stream listens: ${stream} is missing, does not cover the subject, or has no leader`,
      {
        brokerCode: NO_RESPONDERS,
      },
    )
  const ack = parseAck(message)
  if (ack?.error)
    return brokerError(eventId, ack.error.err_code ?? 0, ack.error.description ?? 'no description')
  if (ack?.stream !== stream || !((ack.seq ?? 0) > 0))
    return unavailable(`the acknowledgement does not say that ${stream} stored the event`)
  return ack.duplicate ? 'duplicate' : 'stored'
}

const NO_RESPONDERS = 503

function parseAck(message: Msg): PubAck | undefined {
  try {
    return message.json<PubAck>()
  } catch {
    return undefined
  }
}
