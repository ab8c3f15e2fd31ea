import { createInbox, type Msg, type NatsConnection, type Subscription } from '@nats-io/transport-node'
import { type PublishError, unavailable } from './broker-errors.js'

/** Takes the answer to one event, or the reason why there is none. */
export interface AckWaiter {
  answered(message: Msg): void
  failed(error: PublishError): void
}

/**
 * Matches acknowledgements to events over one subscription, in place of a request for each event: that would cost a
 * promise, a timer and several stack traces per event, and be bound by them.
 */
export class AckInbox {
  readonly #prefix: string
  readonly #subscription: Subscription
  readonly #timeoutMs: number
  /** By number, so in the order of their deadlines: all wait equally long. */
  readonly #waiting = new Map<number, { readonly waiter: AckWaiter; readonly deadline: number }>()
  #sent = 0
  #sweep: NodeJS.Timeout | undefined

  constructor(connection: NatsConnection, timeoutMs: number) {
    this.#timeoutMs = timeoutMs
    this.#prefix = createInbox(inboxPrefix(connection))
    this.#subscription = connection.subscribe(`${this.#prefix}.*`, {
      callback: (error, message) => {
        if (error) this.failAll(unavailable(`acknowledgements cannot be received: ${error.message}`))
        else this.#answer(message)
      },
    })
  }

  /** Sends with a subject to reply to. When sending throws, so does this, and nobody waits. */
  send(waiter: AckWaiter, send: (reply: string) => void): void {
    const number = ++this.#sent
    send(`${this.#prefix}.${number}`)
    this.#waiting.set(number, { waiter, deadline: performance.now() + this.#timeoutMs })
    this.#sweep ??= setInterval(() => this.#expire(), Math.max(10, this.#timeoutMs / 20))
  }

  /** Nobody waits any longer: what was sent is unknown. */
  failAll(error: PublishError): void {
    const waiting = [...this.#waiting.values()]
    this.#waiting.clear()
    for (const { waiter } of waiting) waiter.failed(error)
    this.#rest()
  }

  close(): void {
    this.failAll(unavailable('the publisher was closed'))
    this.#subscription.unsubscribe()
  }

  #answer(message: Msg): void {
    const number = Number(message.subject.slice(this.#prefix.length + 1))
    const waiting = this.#waiting.get(number)
    if (waiting === undefined) return // came after its deadline
    this.#waiting.delete(number)
    waiting.waiter.answered(message)
    this.#rest()
  }

  #expire(): void {
    const now = performance.now()
    for (const [number, { waiter, deadline }] of this.#waiting) {
      if (deadline > now) break
      this.#waiting.delete(number)
      waiter.failed(unavailable(`no acknowledgement within ${this.#timeoutMs} ms`))
    }
    this.#rest()
  }

  #rest(): void {
    if (this.#waiting.size > 0) return
    clearInterval(this.#sweep)
    this.#sweep = undefined
  }
}

/** The user's own prefix, for accounts that may not subscribe to `_INBOX.>`. The client keeps it, its type hides it. */
function inboxPrefix(
  connection: NatsConnection & { options?: { inboxPrefix?: string } },
): string | undefined {
  return connection.options?.inboxPrefix
}
