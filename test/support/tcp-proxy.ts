/** A TCP proxy on loopback that can cut what goes through it. What else it can do is up to the protocol. */
import { once } from 'node:events'
import net from 'node:net'

/** A connection through the proxy. */
export interface Wire {
  /** The server knows it as the port of its client. */
  readonly port: number
  /** Tells the client something, as if the server had. */
  tell(bytes: Buffer): void
  /** Both ends are reset, and nothing that is on its way arrives. */
  cut(): void
  /** Nothing arrives any more, and no end learns of it: a connection that is half open. */
  silence(): void
}

/** What arrives of the bytes on a wire, and when. While it is at one chunk the next ones wait. */
export interface Passage {
  toServer(chunk: Buffer): Promise<Buffer>
  toClient(chunk: Buffer): Promise<Buffer>
}

export abstract class TcpProxy {
  readonly #server: net.Server
  readonly #target: number
  readonly #wires = new Set<Wire>()
  #refusing = false

  protected constructor(target: number) {
    this.#target = target
    this.#server = net.createServer({ pauseOnConnect: true }, (client) => this.#connect(client))
  }

  protected abstract passage(wire: Wire): Passage

  protected async listen(): Promise<this> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    return this
  }

  get port(): number {
    return (this.#server.address() as net.AddressInfo).port
  }

  /** The server's URL, by way of the proxy. */
  urlFor(server: string): string {
    const url = new URL(server)
    url.host = `127.0.0.1:${this.port}`
    return url.href
  }

  /** The connections that there are. */
  get wires(): readonly Wire[] {
    return [...this.#wires]
  }

  async stop(): Promise<void> {
    this.cutAll()
    this.#server.close()
    await once(this.#server, 'close')
  }

  cut(port: number): void {
    for (const wire of this.#wires) if (wire.port === port) wire.cut()
  }

  silence(port: number): void {
    for (const wire of this.#wires) if (wire.port === port) wire.silence()
  }

  cutAll(): void {
    for (const wire of this.#wires) wire.cut()
  }

  /** Cuts every connection and takes no more, until it is told to. */
  refuse(refusing: boolean): void {
    this.#refusing = refusing
    if (refusing) this.cutAll()
  }

  #connect(client: net.Socket): void {
    if (this.#refusing) return void client.destroy()
    const server = net.connect(this.#target, '127.0.0.1')
    const cut = () => {
      this.#wires.delete(wire)
      for (const socket of [client, server]) if (!socket.destroyed) socket.resetAndDestroy()
    }
    let [port, open] = [0, 2]
    const wire: Wire = {
      get port() {
        return port
      },
      tell: (bytes) => {
        if (client.writable) client.write(bytes)
      },
      cut,
      silence: () => {
        for (const socket of [client, server]) {
          socket.pause()
          socket.resume = () => socket
        }
      },
    }
    this.#wires.add(wire)
    // A server that ends a connection says why before it does: what it said must arrive.
    server.on('end', () => client.end())
    for (const socket of [client, server]) {
      socket.setNoDelay()
      socket.on('error', cut)
      socket.on('close', () => {
        if (--open === 0) this.#wires.delete(wire)
      })
    }
    client.on('close', () => server.end()) // what was on its way arrives
    server.on('connect', () => {
      port = server.localPort!
      client.resume()
    })
    const passage = this.passage(wire)
    forward(client, server, passage.toServer)
    forward(server, client, passage.toClient)
  }
}

function forward(from: net.Socket, to: net.Socket, pass: (chunk: Buffer) => Promise<Buffer>): void {
  from.on('data', async (chunk) => {
    from.pause()
    const passed = await pass(chunk)
    if (passed.length > 0 && to.writable && !to.write(passed))
      await Promise.race([once(to, 'drain'), once(to, 'close')]).catch(() => {}) // an error closes it
    from.resume()
  })
}
