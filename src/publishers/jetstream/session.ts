import { type NatsConnection, PermissionViolationError, type Status } from '@nats-io/transport-node'
import { type AckHandlers, AckInbox } from './ack-inbox.js'
import { denial, unavailable } from './broker-errors.js'
import type { Entry } from './open-page.js'
import { Pulse } from './pulse.js'

type Unavailable = ReturnType<typeof unavailable>

/**
 * Hears that what is in flight will not be answered: everything, or what went to a subject that the user may not
 * publish to.
 */
export type LossListener = (error: Unavailable, subject?: string) => void

export interface SessionOptions {
  /** Until an acknowledgement is given up. Milliseconds. */
  readonly ackTimeoutMs: number
  /** Within which a server that says nothing is noticed. Milliseconds. */
  readonly publishTimeoutMs: number
  readonly handlers: AckHandlers<Entry>
  /** Hears that it is up again. */
  readonly onAvailable: () => void
}

/**
 * A connection as the publisher uses it: its inbox, and whether it is up. Events in flight fail as soon as it goes
 * down; the client would let them wait for their timeouts, and what it buffers meanwhile it drops.
 */
export class Session {
  readonly connection: NatsConnection
  readonly inbox: AckInbox<Entry>
  readonly #pulse: Pulse
  readonly #onAvailable: () => void
  readonly #status: AsyncIterable<Status>
  readonly #listeners = new Set<LossListener>()
  #connected = true
  /** What the server complained of lately: when it hangs up, this is why. */
  #heard: string | undefined

  constructor(connection: NatsConnection, options: SessionOptions) {
    const { ackTimeoutMs, publishTimeoutMs, handlers, onAvailable } = options
    this.connection = connection
    this.inbox = new AckInbox(connection, this.inboxPrefix, ackTimeoutMs, handlers)
    this.#onAvailable = onAvailable
    this.#pulse = new Pulse(connection, publishTimeoutMs, () => this.#pulseChanged())
    this.#pulse.start()
    this.onLoss((error, subject) => {
      if (subject === undefined) this.inbox.failAll(error)
      else this.inbox.fail(error, (entry) => entry.subject === subject)
    })
    this.#status = connection.status()
    this.#watch().catch(() => this.#lost())
  }

  /** The user's own prefix, for accounts that may not subscribe to `_INBOX.>`. The client keeps it, its type hides it. */
  get inboxPrefix(): string | undefined {
    return inboxPrefixOf(this.connection)
  }

  get connected(): boolean {
    return this.#connected && !this.silent && this.usable && !this.connection.isDraining()
  }

  /** Whether it will do for events to come. If not, another one on the same connection may. */
  get usable(): boolean {
    return !this.connection.isClosed() && !this.inbox.closed
  }

  /** It looks as if it were up, and the server does not answer. */
  get silent(): boolean {
    return this.#pulse.silent
  }

  /** Resolves when the server answers. @throws `ERR_OUTBOX_UNAVAILABLE` */
  async answers(): Promise<void> {
    const answered = this.connection.flush().catch(() => {
      throw this.trouble()
    })
    await this.whileUp(answered)
  }

  /**
   * What comes of requests: the client would let them wait for their timeouts, though the connection is lost.
   *
   * @throws `ERR_OUTBOX_UNAVAILABLE` as soon as it is.
   */
  async whileUp<T>(work: Promise<T>): Promise<T> {
    let forget = () => {}
    const lost = new Promise<never>((_, reject) => {
      forget = this.onLoss((error, subject) => {
        if (subject === undefined) reject(error)
      })
    })
    return Promise.race([work, lost]).finally(forget)
  }

  /** Why nothing can be published over it, while it is not connected. */
  trouble(): Unavailable {
    if (this.silent) return unavailable(SILENCE)
    const deaf = this.#connected && this.inbox.closed
    return unavailable(deaf ? 'acknowledgements cannot be received' : this.#because('not connected to NATS'))
  }

  /** @returns a function that ends it. */
  onLoss(listener: LossListener): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  async #watch(): Promise<void> {
    for await (const status of this.#status) {
      if (status.type === 'error') this.#hear(status.error)
      if (status.type === 'disconnect' || status.type === 'close') this.#lost()
      if (status.type === 'ping') this.#heard = undefined
      if (status.type === 'reconnect') this.#restored()
    }
  }

  #restored(): void {
    this.#connected = true
    this.#pulse.start()
    this.#onAvailable()
  }

  #pulseChanged(): void {
    if (this.silent) this.#tell(SILENCE)
    else this.#onAvailable()
  }

  #hear(error: Error): void {
    if (!(error instanceof PermissionViolationError)) this.#heard = error.message
    // On a connection of the user's it may be somebody else who was denied something: then nobody waits for it here.
    else if (error.operation === 'publish') this.#tell(denial(error), error.subject)
  }

  #lost(): void {
    this.#connected = false
    this.#pulse.stop()
    this.#tell(this.#because('the connection to NATS was lost'))
  }

  #tell(reason: string, subject?: string): void {
    const error = unavailable(reason)
    for (const listener of [...this.#listeners]) listener(error, subject)
  }

  #because(text: string): string {
    return this.#heard === undefined ? text : `${text}: ${this.#heard}`
  }

  /** Leaves the connection open. */
  close(): void {
    this.#tell('the publisher was closed')
    this.#pulse.stop()
    this.inbox.close()
    stopIteration(this.#status)
  }
}

const SILENCE = 'NATS does not answer, though the connection is not closed'

function inboxPrefixOf({ options }: NatsConnection & { options?: { inboxPrefix?: string } }) {
  return options?.inboxPrefix
}

/** A loop over the status ends only when the connection does, unless the iterator is told; its type does not say so. */
function stopIteration(status: AsyncIterable<Status> & { stop?: () => void }): void {
  status.stop?.()
}
