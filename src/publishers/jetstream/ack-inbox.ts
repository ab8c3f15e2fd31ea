import { createInbox, type Msg, type NatsConnection, type Subscription } from '@nats-io/transport-node'
import { type PublishError, reasonOf, unavailable } from './broker-errors.js'

/** Takes the answers to what was sent, or the reason why there is none. */
export interface AckHandlers<T> {
  answered(sent: T, message: Msg): void
  failed(sent: T, error: PublishError): void
}

/**
 * Matches acknowledgements to messages over one subscription, in place of a request for each message: that would cost
 * a promise, a timer and several stack traces per message, and be bound by them.
 */
export class AckInbox<T> {
  readonly #prefix: string
  readonly #subscription: Subscription
  readonly #timeoutMs: number
  readonly #handlers: AckHandlers<T>
  /** By number, so in the order in which they were sent. */
  readonly #waiting = new Map<number, T>()
  #sent = 0
  /** The sweep that ends the wait for everything sent up to a number: one clock for many messages. */
  #deadlines: { readonly upTo: number; readonly sweep: number }[] = []
  readonly #sweepMs: number
  #sweeps = 0
  #timer: NodeJS.Timeout | undefined

  constructor(
    connection: NatsConnection,
    inboxPrefix: string | undefined,
    timeoutMs: number,
    handlers: AckHandlers<T>,
  ) {
    this.#timeoutMs = timeoutMs
    this.#sweepMs = Math.max(10, timeoutMs / SWEEPS)
    this.#handlers = handlers
    this.#prefix = `${createInbox(inboxPrefix)}.`
    this.#subscription = connection.subscribe(`${this.#prefix}*`, {
      callback: (error, message) => {
        if (error) this.failAll(unavailable(`acknowledgements cannot be received: ${reasonOf(error)}`))
        else this.#answer(message)
      },
    })
  }

  /** Waits for an answer from now on. @returns its number. */
  expect(what: T): number {
    this.#waiting.set(++this.#sent, what)
    this.#timer ??= setInterval(() => this.#sweep(), this.#sweepMs)
    return this.#sent
  }

  /** The subject that the answer is to be sent to. */
  replyTo(number: number): string {
    return this.#prefix + number
  }

  /** It was not sent after all. */
  forget(number: number): void {
    this.#waiting.delete(number)
  }

  /** The server has ended the subscription: nobody will be answered any more. */
  get closed(): boolean {
    return this.#subscription.isClosed()
  }

  /** Those of a kind wait no longer. */
  fail(error: PublishError, which: (sent: T) => boolean): void {
    for (const [number, what] of this.#waiting) {
      if (!which(what)) continue
      this.#waiting.delete(number)
      this.#handlers.failed(what, error)
    }
  }

  /** Nobody waits any longer: what was sent is unknown. */
  failAll(error: PublishError): void {
    const waiting = [...this.#waiting.values()]
    this.#waiting.clear()
    this.#rest()
    for (const what of waiting) this.#handlers.failed(what, error)
  }

  close(): void {
    this.#subscription.unsubscribe()
  }

  #answer(message: Msg): void {
    const number = Number(message.subject.slice(this.#prefix.length))
    const what = this.#waiting.get(number)
    if (what === undefined) return // came after its deadline
    this.#waiting.delete(number)
    this.#handlers.answered(what, message)
  }

  #sweep(): void {
    if (this.#waiting.size === 0) {
      this.#rest()
      return
    }
    const sweep = ++this.#sweeps
    while (this.#deadlines[0] !== undefined && this.#deadlines[0].sweep <= sweep) {
      const { upTo } = this.#deadlines.shift() as { upTo: number }
      for (const [number, what] of this.#waiting) {
        if (number > upTo) break
        this.#waiting.delete(number)
        this.#handlers.failed(what, unavailable(`no acknowledgement within ${this.#timeoutMs} ms`))
      }
    }
    // What was sent since the last sweep has waited for up to one by now.
    const whole = Math.max(1, Math.floor(this.#timeoutMs / this.#sweepMs) - 1)
    this.#deadlines.push({ upTo: this.#sent, sweep: sweep + whole })
  }

  #rest(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
    this.#deadlines = []
  }
}

/** How often in a timeout deadlines are looked at: an answer is waited for at most so much less. */
const SWEEPS = 20
