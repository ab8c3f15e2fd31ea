import type { NatsConnection } from '@nats-io/transport-node'

/**
 * Notices that the server has fallen silent on a connection that looks as if it were up: half open, or frozen. A server
 * that is not heard of is asked, and given up before an acknowledgement would be. The client by itself asks every two
 * minutes, and gives up at the third.
 */
export class Pulse {
  readonly #connection: NatsConnection
  readonly #beatMs: number
  readonly #onChange: () => void
  #timer: NodeJS.Timeout | undefined
  #received = 0
  /** Since the server was heard of. Beats, and not time: who stood still has not listened. */
  #beats = 0

  /** @param onChange called when the server has fallen silent, and when it is heard of again. */
  constructor(connection: NatsConnection, timeoutMs: number, onChange: () => void) {
    this.#connection = connection
    this.#beatMs = Math.max(MIN_BEAT_MS, timeoutMs / BEATS)
    this.#onChange = onChange
  }

  /** The server was not heard of for five eighths of the timeout, and did not answer a ping for half of it. */
  get silent(): boolean {
    return this.#beats >= SILENT
  }

  start(): void {
    this.stop()
    this.#timer = setInterval(() => this.#beat(), this.#beatMs).unref()
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#beats = 0
  }

  #beat(): void {
    const { inMsgs } = this.#connection.stats()
    if (inMsgs !== this.#received) {
      this.#received = inMsgs
      this.#heard()
      return
    }
    this.#beats++
    if (this.#beats === ASKED)
      this.#connection.flush().then(
        () => this.#heard(),
        () => {},
      ) // it was lost
    if (this.#beats === SILENT) this.#onChange()
  }

  #heard(): void {
    const { silent } = this
    this.#beats = 0
    if (silent) this.#onChange()
  }
}

/** In a timeout. */
const BEATS = 8
const MIN_BEAT_MS = 10
/** After so many beats. */
const ASKED = 1
const SILENT = 5
