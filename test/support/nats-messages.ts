/** What a NATS server and its clients send, message by message. */

const lineEnd = '\r\n'

/** Cuts a stream of bytes where its messages end. */
export class MessageSplitter {
  #rest: Buffer = Buffer.alloc(0)
  #encrypted = false

  /** The messages that are complete with this chunk; what is left waits for the next one. */
  split(chunk: Buffer): Buffer[] {
    this.#encrypted ||= this.#rest.length === 0 && chunk[0] === TLS_HANDSHAKE
    if (this.#encrypted) return [chunk]
    const messages: Buffer[] = []
    let rest = this.#rest.length > 0 ? Buffer.concat([this.#rest, chunk]) : chunk
    for (let length = lengthOf(rest); length <= rest.length; length = lengthOf(rest)) {
      messages.push(rest.subarray(0, length))
      rest = rest.subarray(length)
    }
    this.#rest = rest
    return messages
  }
}

/** The first byte after the greeting, when both sides go on in TLS. */
const TLS_HANDSHAKE = 0x16

/** Of the first message: a line, which for `MSG`, `HMSG`, `PUB` and `HPUB` ends in the size of what follows. */
function lengthOf(bytes: Buffer): number {
  const end = bytes.indexOf(lineEnd)
  if (end === -1) return Number.POSITIVE_INFINITY
  const line = bytes.toString('latin1', 0, end)
  const [, size] = /^H?(?:MSG|PUB) .* (\d+)$/.exec(line) ?? []
  return end + lineEnd.length + (size === undefined ? 0 : Number(size) + lineEnd.length)
}

/** Whether it is JetStream's answer to something that was published, rather than to a request. */
export function isPubAck(message: Buffer): boolean {
  return /^MSG .*\r\n\{"(stream|error)":/.test(message.toString('latin1', 0, 512))
}

/** Whether it is JetStream's answer that something is stored: alone, or within a batch. */
export function saysStored(message: Buffer): boolean {
  return /^MSG .*\r\n\{"(?:stream"|type":"ack").*"seq": ?[1-9]/.test(message.toString('latin1', 0, 512))
}

/** Something that a client publishes, and where it wants the answer. */
export interface Published {
  readonly subject: string
  readonly reply: string
}

export function hasHeaders(message: Buffer): boolean {
  return message.toString('latin1', 0, 5) === 'HPUB '
}

export function readPublished(message: Buffer): Published | undefined {
  const [, subject, reply] = /^H?PUB (\S+) (\S+) \d/.exec(message.toString('latin1', 0, 512)) ?? []
  // Of a message without a reply this is its size.
  return subject === undefined || reply === undefined || /^\d+$/.test(reply) ? undefined : { subject, reply }
}

/** Under which number a client asks for which subject. */
export function readSubscription(message: Buffer): { subject: string; sid: string } | undefined {
  const [, subject, sid] = /^SUB (\S+) (?:\S+ )?(\S+)\r\n$/.exec(message.toString('latin1', 0, 512)) ?? []
  return subject === undefined || sid === undefined ? undefined : { subject, sid }
}

export function formatMessage(subject: string, sid: string, text: string): Buffer {
  return Buffer.from(`MSG ${subject} ${sid} ${Buffer.byteLength(text)}${lineEnd}${text}${lineEnd}`)
}
