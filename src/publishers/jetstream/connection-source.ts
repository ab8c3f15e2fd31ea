import type { NatsConnection } from '@nats-io/transport-node'
import { unavailable } from './broker-errors.js'

/** A connection, which stays its owner's to close, or a function that makes one whenever it is needed. */
export type Connection = NatsConnection | (() => Promise<NatsConnection>)

/** Gives the connection, makes another when it was closed for good, and closes those that it made. */
export class ConnectionSource {
  readonly #given: Connection
  readonly #timeoutMs: number
  /** May take its time: a client that waits for a server that is down. The next attempt waits for the same one. */
  #connecting: Promise<NatsConnection> | undefined
  #made: NatsConnection | undefined

  constructor(given: Connection, timeoutMs: number) {
    this.#given = given
    this.#timeoutMs = timeoutMs
  }

  /** @throws `ERR_OUTBOX_UNAVAILABLE` */
  async open(): Promise<NatsConnection> {
    if (typeof this.#given !== 'function') {
      if (!this.#given.isClosed()) return this.#given
      throw unavailable('the connection to NATS is closed for good; connect with maxReconnectAttempts: -1')
    }
    if (this.#made?.isClosed()) this.#connecting = undefined
    this.#connecting ??= this.#given()
    this.#made = await this.#within(this.#connecting)
    if (this.#made.isClosed()) throw unavailable('the function for connections gave one that is closed')
    return this.#made
  }

  async #within(connecting: Promise<NatsConnection>): Promise<NatsConnection> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () => reject(unavailable(`no connection within ${this.#timeoutMs} ms`)),
        this.#timeoutMs,
      )
    })
    connecting.catch(() => {
      this.#connecting = undefined
    })
    try {
      return await Promise.race([connecting, late])
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause)
      throw unavailable(`cannot connect to NATS: ${reason}`, { cause })
    } finally {
      clearTimeout(timer)
    }
  }

  /** Does not wait for a connection that is still being made; that one is closed when it is there. */
  async close(): Promise<void> {
    const closed = this.#connecting?.then((connection) => connection.close()).catch(() => {}) // there is none
    if (this.#made) await closed
    this.#connecting = undefined
    this.#made = undefined
  }
}
