import { connect, type Socket } from 'node:net'
import { OutboxError } from '../../errors.js'
import { listenStatement } from '../../event-log/notifications.js'
import { type Listen, untilLost } from './listen.js'

/** What we use of the options of postgres.js, as it has parsed them. It takes such as they are. */
export interface Options {
  readonly host: readonly string[]
  readonly port: readonly number[]
  /** Of a unix socket. */
  readonly path?: string | false
  /** The application's way to connect. */
  readonly socket?: ((options: object) => Socket | Promise<Socket>) | undefined
}

/**
 * By a client of the same options, with one connection. Not by the driver's `listen`, which does not let go of its
 * connection before the whole client ends, nor of one that is half open, and cannot `unlisten` after it has reconnected.
 */
export function listenByClientOf({ options: all }: { readonly options: Options }): Listen {
  let attempts = 0
  return async (channel, { onListening, onNotification }, signal) => {
    const postgres = await importDriver()
    const nth = attempts++ % all.host.length
    const options = { ...all, host: all.host.slice(nth, nth + 1), port: all.port.slice(nth, nth + 1) }
    let lose = () => {}
    const lost = untilLost(signal, (loseIt) => {
      lose = loseIt
    })
    const socket = new OneSocket(options)
    const own = {
      max: 1,
      idle_timeout: 0,
      max_lifetime: null,
      fetch_types: false,
      socket: () => socket.open(),
      onnotify: (_: string, payload: string) => onNotification(payload),
      onclose: () => lose(),
    }
    const sql = postgres({ ...options, ...own } as object)
    const listen = async () => {
      await sql.unsafe(listenStatement(channel))
      onListening()
      return lost
    }
    try {
      return await Promise.race([lost, listen()])
    } finally {
      await sql.end({ timeout: GOODBYE_SECONDS })
      socket.close()
    }
  }
}

const GOODBYE_SECONDS = 0.5

async function importDriver() {
  try {
    return (await import('postgres')).default
  } catch (cause) {
    // In a `try`, by which bundlers know that it may be missing: users of other drivers have not installed it.
    throw new OutboxError(
      'ERR_OUTBOX_OPTION_INVALID',
      'listen: needs the package postgres, which drizzle-outbox cannot import',
      { option: 'listen' },
      { cause },
    )
  }
}

/** The driver by itself connects again as long as it has something to send, and leaves what is half open to the system. */
class OneSocket {
  readonly #options: Options
  #socket: Promise<Socket> | undefined
  #closed = false

  constructor(options: Options) {
    this.#options = options
  }

  open(): Promise<Socket> {
    if (this.#closed || this.#socket !== undefined) throw new Error('the connection that listens was closed')
    this.#socket = this.#open()
    return this.#socket
  }

  close(): void {
    this.#closed = true
    this.#socket?.then((socket) => socket.destroy()).catch(() => {})
  }

  async #open(): Promise<Socket> {
    const { socket: open = openSocket } = this.#options
    const socket = await open(this.#options)
    return socket.on('error', () => {}) // the driver listens a moment later
  }
}

/** As the driver does, which looks for the host in it if there is to be TLS. */
function openSocket({ host: [host = ''], port: [port = 0], path }: Options): Socket {
  return Object.assign(path ? connect(path) : connect(port, host), { host, port })
}
