import { errors, type NatsConnection } from '@nats-io/transport-node'
import { describeThrown, isThrownBy } from '../../foreign-errors.js'
import { reasonOf, unavailable } from './broker-errors.js'

/** A connection, which stays its owner's to close, or a function that makes one whenever it is needed. */
export type Connection = NatsConnection | (() => Promise<NatsConnection>)

/** Gives the connection, makes another when it was closed for good, and closes those that it made. */
export class ConnectionSource {
  readonly #given: Connection
  readonly #timeoutMs: number
  readonly #onLate: () => void
  /** May take its time: a client that waits for a server that is down. The next attempt waits for the same one. */
  #connecting: Promise<NatsConnection> | undefined
  #made: NatsConnection | undefined

  /** @param onLate called when a connection is there that was not waited for any longer. */
  constructor(given: Connection, timeoutMs: number, onLate: () => void) {
    this.#given = given
    this.#timeoutMs = timeoutMs
    this.#onLate = onLate
  }

  /** @throws `ERR_OUTBOX_UNAVAILABLE` */
  async open(): Promise<NatsConnection> {
    if (typeof this.#given !== 'function') {
      if (!this.#given.isClosed()) return this.#given
      const reason = await Promise.race([this.#given.closed(), undefined])
      const why = reason instanceof Error ? `: ${reasonOf(reason)}` : ''
      throw unavailable(
        `the connection to NATS is closed for good${why}; give a function, which can connect again`,
      )
    }
    if (this.#made?.isClosed()) this.#connecting = undefined
    this.#connecting ??= connectBy(this.#given)
    this.#made = await this.#within(this.#connecting)
    if (this.#made.isClosed()) throw unavailable('the function for connections gave one that is closed')
    return this.#made
  }

  async #within(connecting: Promise<NatsConnection>): Promise<NatsConnection> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () =>
          reject(
            unavailable(`${CANNOT} no connection within ${this.#timeoutMs} ms; the server's log may say why`),
          ),
        this.#timeoutMs,
      )
    })
    connecting.catch(() => {
      this.#connecting = undefined
    })
    try {
      return await Promise.race([connecting, late])
    } catch (error) {
      connecting.then(this.#onLate, () => {}) // it has failed, or is going to
      throw error
    } finally {
      clearTimeout(timer)
    }
  }

  /** Leaves a connection that it made to its fate, so that another is made. @returns false for one that it was given. */
  abandon(): boolean {
    if (this.#made === undefined) return false
    this.#made.close().catch(() => {}) // the other end may never hear of it
    this.#connecting = undefined
    this.#made = undefined
    return true
  }

  /** Does not wait for a connection that is still being made; that one is closed when it is there. */
  async close(): Promise<void> {
    const closed = this.#connecting?.then((connection) => connection.close()).catch(() => {}) // there is none
    if (this.#made) await closed
    this.#connecting = undefined
    this.#made = undefined
  }
}

async function connectBy(connect: () => Promise<NatsConnection>): Promise<NatsConnection> {
  try {
    return await connect()
  } catch (error) {
    throw cannotConnect(error)
  }
}

const CANNOT = 'cannot connect to NATS:'

/** In the words of the client, if it is one that failed, whatever the function has made of it. */
function cannotConnect(error: unknown) {
  for (let cause = error; cause instanceof Error; cause = cause.cause)
    if (isClientError(cause)) return unavailable(`${CANNOT} ${reasonOf(cause)}`, { cause })
  return unavailable(`${CANNOT} the function for connections threw ${describeThrown(error)}`)
}

function isClientError(error: Error): boolean {
  return CLIENT_ERRORS.some((type) => error instanceof type) || isThrownBy('@nats-io', error)
}

const CLIENT_ERRORS = Object.values(errors)
