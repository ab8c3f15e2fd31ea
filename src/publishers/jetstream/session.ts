import { type NatsConnection, PermissionViolationError, type Status } from '@nats-io/transport-node'
import { type AckHandlers, AckInbox } from './ack-inbox.js'
import { denial, unavailable } from './broker-errors.js'
import type { Entry } from './open-page.js'

type Unavailable = ReturnType<typeof unavailable>

/**
 * Hears that what is in flight will not be answered: everything, or what went to a subject that the user may not
 * publish to.
 */
export type LossListener = (error: Unavailable, subject?: string) => void

/**
 * A connection as the publisher uses it: its inbox, and whether it is up. Events in flight fail as soon as it goes
 * down; the client would let them wait for their timeouts, and what it buffers meanwhile it drops.
 */
export class Session {
  readonly connection: NatsConnection
  readonly inbox: AckInbox<Entry>
  readonly #status: AsyncIterable<Status>
  readonly #listeners = new Set<LossListener>()
  #connected = true
  /** What the server complained of lately: when it hangs up, this is why. */
  #heard: string | undefined

  constructor(connection: NatsConnection, ackTimeoutMs: number, handlers: AckHandlers<Entry>) {
    this.connection = connection
    this.inbox = new AckInbox(connection, this.inboxPrefix, ackTimeoutMs, handlers)
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
    return this.#connected && this.usable && !this.connection.isDraining()
  }

  /** Whether it will do for events to come. If not, another one on the same connection may. */
  get usable(): boolean {
    return !this.connection.isClosed() && !this.inbox.closed
  }

  /** Whether the server answers: a connection that is half open says nothing, and looks as if it were up. */
  async answers(timeoutMs: number): Promise<boolean> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<boolean>((resolve) => {
      timer = setTimeout(resolve, timeoutMs, false)
    })
    const answered = this.connection.flush().then(
      () => true,
      () => false,
    )
    return Promise.race([answered, late]).finally(() => clearTimeout(timer))
  }

  /** Why nothing can be published over it, while it is not connected. */
  trouble(): Unavailable {
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
      if (status.type === 'reconnect') this.#connected = true
    }
  }

  #hear(error: Error): void {
    if (!(error instanceof PermissionViolationError)) this.#heard = error.message
    // On a connection of the user's it may be somebody else who was denied something: then nobody waits for it here.
    else if (error.operation === 'publish') this.#tell(denial(error), error.subject)
  }

  #lost(): void {
    this.#connected = false
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
    this.inbox.close()
    stopIteration(this.#status)
  }
}

function inboxPrefixOf({ options }: NatsConnection & { options?: { inboxPrefix?: string } }) {
  return options?.inboxPrefix
}

/** A loop over the status ends only when the connection does, unless the iterator is told; its type does not say so. */
function stopIteration(status: AsyncIterable<Status> & { stop?: () => void }): void {
  status.stop?.()
}
