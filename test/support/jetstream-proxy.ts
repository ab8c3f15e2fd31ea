/** A proxy in front of a NATS server that also loses single messages. */
import { MessageSplitter } from './nats-messages.js'
import { NatsProxy } from './nats-proxy.js'
import type { Passage, Wire } from './tcp-proxy.js'

export class JetStreamProxy extends NatsProxy {
  readonly #lost = new Set<string>()

  static override start(target: number): Promise<JetStreamProxy> {
    return new JetStreamProxy(target).listen()
  }

  /** The next message with this `Nats-Msg-Id` does not arrive. */
  lose(messageId: string): void {
    this.#lost.add(messageId)
  }

  protected override passage(wire: Wire): Passage {
    const { toServer, toClient } = super.passage(wire)
    const splitter = new MessageSplitter()
    const arrives = (message: Buffer) => !this.#loses(message)
    return {
      toServer: (chunk) => toServer(Buffer.concat(splitter.split(chunk).filter(arrives))),
      toClient,
    }
  }

  #loses(message: Buffer): boolean {
    if (this.#lost.size === 0) return false
    const [, id] = /\r\nNats-Msg-Id: (\S+)\r\n/.exec(message.toString('latin1', 0, 1024)) ?? []
    return id !== undefined && this.#lost.delete(id)
  }
}
