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

/** Reads what acknowledgements of a stream say. */
export class PubAckReader {
  readonly #stream: string
  /** How a server begins the acknowledgement of what it has just stored. */
  readonly #plain: Buffer

  constructor(stream: string) {
    this.#stream = stream
    this.#plain = Buffer.from(`{"stream":${JSON.stringify(stream)}, "seq":`)
  }

  /**
   * What an acknowledgement says about an event. It is stored only if the expected stream gives it a sequence: nats-server
   * 2.10 answers `duplicate` with sequence 0 for what a cluster without a quorum has not stored.
   */
  read(message: Msg, eventId: string): Ack | PublishError {
    const seq = this.#plainSequence(message.data)
    return seq > 0 ? { seq, duplicate: false } : readPubAck(message, this.#stream, eventId)
  }

  /** Nearly all are `{"stream":"SHOP", "seq":17}`, to the byte, and need no parser. 0: not this one. */
  #plainSequence(data: Uint8Array): number {
    const plain = this.#plain
    const end = data.length - 1
    if (end > plain.length + MAX_DIGITS || data[end] !== CLOSING_BRACE) return 0
    for (let i = 0; i < plain.length; i++) if (data[i] !== plain[i]) return 0
    let seq = 0
    for (let i = plain.length; i < end; i++) {
      const digit = (data[i] as number) - DIGIT_ZERO
      if (digit < 0 || digit > 9) return 0
      seq = 10 * seq + digit
    }
    return seq
  }
}

const CLOSING_BRACE = 0x7d
const DIGIT_ZERO = 0x30
/** Of numbers that are exact. */
const MAX_DIGITS = 15

function readPubAck(message: Msg, stream: string, eventId: string): Ack | PublishError {
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
