import type { NatsConnection, Status } from '@nats-io/transport-node'
import { AckInbox } from './ack-inbox.js'
import { unavailable } from './broker-errors.js'

/**
 * A connection as the publisher uses it: its inbox, and whether it is up. Events in flight fail as soon as it goes
 * down; the client would let them wait for their timeouts, and what it buffers meanwhile it drops.
 */
export class Session {
  readonly connection: NatsConnection
  readonly inbox: AckInbox
  readonly #status: AsyncIterable<Status>
  #connected = true

  constructor(connection: NatsConnection, ackTimeoutMs: number) {
    this.connection = connection
    this.inbox = new AckInbox(connection, ackTimeoutMs)
    this.#status = connection.status()
    this.#watch().catch(() => this.#lost())
  }

  get connected(): boolean {
    return this.#connected && !this.connection.isClosed() && !this.connection.isDraining()
  }

  async #watch(): Promise<void> {
    for await (const { type } of this.#status) {
      if (type === 'reconnect') this.#connected = true
      if (type === 'disconnect' || type === 'close') this.#lost()
    }
  }

  #lost(): void {
    this.#connected = false
    this.inbox.failAll(unavailable('the connection to NATS was lost'))
  }

  /** Leaves the connection open. */
  close(): void {
    this.inbox.close()
    stopIteration(this.#status)
  }
}

/** A loop over the status ends only when the connection does, unless the iterator is told; its type does not say so. */
function stopIteration(status: AsyncIterable<Status> & { stop?: () => void }): void {
  status.stop?.()
}
