/**
 * A proxy in front of a NATS server: beside what any link can do it cuts, refuses, loses acknowledgements, and answers in
 * the server's place. In front of a cluster connect with `ignoreClusterUpdates`, or clients learn of the way around it.
 */
import { LinkProxy } from './link-proxy.js'
import {
  formatMessage,
  isPubAck,
  MessageSplitter,
  type Published,
  readPublished,
  readSubscription,
} from './nats-messages.js'
import type { Passage, Wire } from './tcp-proxy.js'

/** What is answered to a message in the server's place, which then does not get it. Undefined: it gets it. */
export type Answer = (published: Published) => object | undefined

export class NatsProxy extends LinkProxy {
  #losesAcks = false
  #answer: Answer | undefined

  static override start(target: number): Promise<NatsProxy> {
    return new NatsProxy(target).listen()
  }

  get url(): string {
    return `nats://127.0.0.1:${this.port}`
  }

  /** Acknowledgements of JetStream vanish, and all else arrives. Not with TLS, which hides them. */
  loseAcks(losing: boolean): void {
    this.#losesAcks = losing
  }

  /** Until it is given nothing. Not with TLS. */
  answer(answer: Answer | undefined): void {
    this.#answer = answer
  }

  protected override passage(wire: Wire): Passage {
    const link = super.passage(wire)
    const [fromClient, splitter] = [new MessageSplitter(), new MessageSplitter()]
    const subscriptions = new Map<string, string>()
    /** Whether the message is to go on to the server. */
    const take = (message: Buffer): boolean => {
      const subscription = readSubscription(message)
      if (subscription) subscriptions.set(subscription.subject, subscription.sid)
      const published = this.#answer && readPublished(message)
      const answer = published && this.#answer?.(published)
      if (answer === undefined) return true
      const { reply } = published!
      const sid = subscriptions.get(reply) ?? subscriptions.get(reply.replace(/[^.]+$/, '*'))
      if (sid !== undefined) wire.tell(formatMessage(reply, sid, JSON.stringify(answer)))
      return false
    }
    return {
      toServer: async (chunk) => {
        const messages = fromClient.split(await link.toServer(chunk))
        return Buffer.concat(messages.filter(take))
      },
      toClient: async (chunk) => {
        const messages = splitter.split(await link.toClient(chunk))
        return Buffer.concat(this.#losesAcks ? messages.filter((message) => !isPubAck(message)) : messages)
      },
    }
  }
}
