import type { Msg } from '@nats-io/transport-node'
import { brokerError, type PublishError, unavailable } from './broker-errors.js'

/** Where in the stream an event is. */
export interface Ack {
  readonly seq: number
  /** It was there already. */
  readonly duplicate: boolean
}

interface PubAck {
  readonly stream?: string
  readonly seq?: number
  readonly duplicate?: boolean
  readonly error?: { readonly err_code?: number; readonly description?: string }
}

/**
 * What an acknowledgement says about an event. It is stored only if the expected stream gives it a sequence: nats-server
 * 2.10 answers `duplicate` with sequence 0 for what a cluster without a quorum has not stored.
 */
export function readPubAck(message: Msg, stream: string, eventId: string): Ack | PublishError {
  if (message.headers?.code === NO_RESPONDERS)
    return unavailable(
      `no stream listens: ${stream} is missing, does not cover the subject, or has no leader`,
      {
        brokerCode: NO_RESPONDERS,
      },
    )
  const ack = parseAck(message)
  if (ack?.error)
    return brokerError(stream, eventId, ack.error.err_code ?? 0, ack.error.description ?? 'no description')
  const { seq = 0, duplicate = false } = ack ?? {}
  if (ack?.stream !== stream || !(seq > 0))
    return unavailable(`the acknowledgement does not say that stream ${stream} holds event ${eventId}`)
  return { seq, duplicate }
}

const NO_RESPONDERS = 503

function parseAck(message: Msg): PubAck | undefined {
  try {
    return message.json<PubAck>()
  } catch {
    return undefined
  }
}
