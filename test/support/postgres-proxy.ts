/** A proxy in front of PostgreSQL that can also be told to stop at a statement, or at its answer. */
import { LinkProxy } from './link-proxy.js'
import type { Passage, Wire } from './tcp-proxy.js'

interface Trap {
  readonly statement: RegExp
  readonly at: 'statement' | 'answer'
  readonly spring: (wire: Wire) => Promise<void>
}

export class PostgresProxy extends LinkProxy {
  #trap: Trap | undefined

  static override start(target: number): Promise<PostgresProxy> {
    return new PostgresProxy(target).listen()
  }

  /** Once: what is on the wire is held back until `spring` has resolved. */
  setTrap(trap: Trap | undefined): void {
    this.#trap = trap
  }

  protected override passage(wire: Wire): Passage {
    const link = super.passage(wire)
    let answering: Trap | undefined
    return {
      toServer: async (chunk) => {
        const trap = this.#trap
        if (!trap?.statement.test(chunk.toString('latin1'))) return link.toServer(chunk)
        this.#trap = undefined
        if (trap.at === 'statement') await trap.spring(wire)
        else answering = trap
        return link.toServer(chunk)
      },
      toClient: async (chunk) => {
        if (answering === undefined || !isReadyForQuery(chunk)) return link.toClient(chunk)
        const { spring } = answering
        answering = undefined
        await spring(wire)
        return link.toClient(chunk)
      },
    }
  }
}

/** The message that ends every answer: `Z`, its length, and the state of the transaction. */
function isReadyForQuery(chunk: Buffer): boolean {
  return chunk.length >= 6 && chunk.at(-6) === 'Z'.charCodeAt(0) && chunk.readUInt32BE(chunk.length - 5) === 5
}
