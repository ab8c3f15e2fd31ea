/** A proxy whose link can be slow, held up or half open, whatever is said on it. */
import { EventEmitter, once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Passage, TcpProxy, type Wire } from './tcp-proxy.js'

export type Way = keyof Passage

export class LinkProxy extends TcpProxy {
  readonly #released = new EventEmitter().setMaxListeners(0)
  readonly #held = new Set<Way>()
  readonly #halfOpen = new WeakSet<Wire>()
  #delayMs = 0

  static start(target: number): Promise<LinkProxy> {
    return new LinkProxy(target).listen()
  }

  /** A slow link: whatever is sent from now on takes so long, each way. */
  delay(ms: number): void {
    this.#delayMs = ms
  }

  /** A partition: nothing arrives on these ways, and no connection is cut; `release` delivers it all, late. */
  hold(...ways: Way[]): void {
    for (const way of ways.length > 0 ? ways : (['toServer', 'toClient'] as const)) this.#held.add(way)
  }

  release(): void {
    this.#held.clear()
    this.#released.emit('released')
  }

  /** The connections that there are stay open and hear nothing any more, for good. Later ones work. */
  halfOpen(): void {
    for (const wire of this.wires) this.#halfOpen.add(wire)
  }

  protected override passage(wire: Wire): Passage {
    const travel = async (way: Way, chunk: Buffer): Promise<Buffer> => {
      if (this.#delayMs > 0) await sleep(this.#delayMs)
      while (this.#held.has(way)) await once(this.#released, 'released')
      return this.#halfOpen.has(wire) ? NOTHING : chunk
    }
    return {
      toServer: (chunk) => travel('toServer', chunk),
      toClient: (chunk) => travel('toClient', chunk),
    }
  }
}

const NOTHING = Buffer.alloc(0)
