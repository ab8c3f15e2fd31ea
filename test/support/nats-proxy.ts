/**
 * A proxy in front of a NATS server: beside what any link can do it cuts, refuses, loses acknowledgements, and answers in
 * the server's place. In front of a cluster connect with `ignoreClusterUpdates`, or clients learn of the way around it.
 */
import { LinkProxy } from './link-proxy.js'
import {
  formatMessage,
  hasHeaders,
  isPubAck,
  MessageSplitter,
  type Published,
  readPublished,
  readSubscription,
  saysStored,
} from './nats-messages.js'
import type { Passage, Wire } from './tcp-proxy.js'

/** What is answered to a message in the server's place, which then does not get it. Undefined: it gets it. */
export type Answer = (published: Published) => object | undefined

export class NatsProxy extends LinkProxy {
  #losesAcks = false
  #sent = 0
  #acksLost = 0
  #answer: Answer | undefined
  readonly #awaited = new Set<Awaited>()

  static override start(target: number): Promise<NatsProxy> {
    return new NatsProxy(target).listen()
  }

  get url(): string {
    return `nats://127.0.0.1:${this.port}`
  }

  /** Messages with headers that clients have sent so far, as events are. */
  get sent(): number {
    return this.#sent
  }

  /** Acknowledgements that have vanished so far. */
  get acksLost(): number {
    return this.#acksLost
  }

  /** Acknowledgements of JetStream vanish, and all else arrives. Not with TLS, which hides them. */
  loseAcks(losing: boolean): void {
    this.#losesAcks = losing
  }

  /** Until it is given nothing. Not with TLS. */
  answer(answer: Answer | undefined): void {
    this.#answer = answer
  }

  /** Resolves when the client is told that something is stored which it sends from now on. Not with TLS. */
  nextAck(): Promise<void> {
    return new Promise((told) => {
      this.#awaited.add({ told, wires: new WeakSet() })
    })
  }

  protected override passage(wire: Wire): Passage {
    const link = super.passage(wire)
    const [fromClient, splitter] = [new MessageSplitter(), new MessageSplitter()]
    const subscriptions = new Map<string, string>()
    /** Whether the message is to go on to the server. */
    const take = (message: Buffer): boolean => {
      if (hasHeaders(message)) this.#sent++
      const subscription = readSubscription(message)
      if (subscription) subscriptions.set(subscription.subject, subscription.sid)
      const published = this.#answer || this.#awaited.size > 0 ? readPublished(message) : undefined
      if (published && !published.subject.startsWith('$JS.'))
        for (const { wires } of this.#awaited) wires.add(wire)
      const answer = published && this.#answer?.(published)
      if (answer === undefined) return true
      const { reply } = published!
      const sid = subscriptions.get(reply) ?? subscriptions.get(reply.replace(/[^.]+$/, '*'))
      if (sid !== undefined) wire.tell(formatMessage(reply, sid, JSON.stringify(answer)))
      return false
    }
    const arrives = (message: Buffer): boolean => {
      if (!this.#losesAcks || !isPubAck(message)) return true
      this.#acksLost++
      return false
    }
    return {
      toServer: async (chunk) => {
        const messages = fromClient.split(await link.toServer(chunk))
        return Buffer.concat(messages.filter(take))
      },
      toClient: async (chunk) => {
        const messages = splitter.split(await link.toClient(chunk))
        const arriving = messages.filter(arrives)
        if (this.#awaited.size > 0 && arriving.some(saysStored)) this.#tell(wire)
        return Buffer.concat(arriving)
      },
    }
  }

  #tell(wire: Wire): void {
    for (const awaited of this.#awaited) {
      if (!awaited.wires.has(wire)) continue
      this.#awaited.delete(awaited)
      awaited.told()
    }
  }
}

/** Somebody who waits for an acknowledgement, and the wires that something was published on meanwhile. */
interface Awaited {
  readonly told: () => void
  readonly wires: WeakSet<Wire>
}
