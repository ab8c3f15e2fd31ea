/** Where events go, and how they are read back. */
import type { Publisher } from 'drizzle-outbox'
import type { Received } from './received.js'

export interface Destination extends AsyncDisposable {
  /** For people: `NATS JetStream 2.10.7`. */
  readonly name: string
  readonly publisher: Publisher
  /** Everything read back, in the order in which it came. Grows. */
  readonly received: readonly Received[]
  /** Begins to read, once a relay has started. Calls `onFailure` if reading fails later on. */
  receive(onFailure: (error: unknown) => void): Promise<void>
  /** Resolves when all that the broker holds has been read, or does not come. */
  caughtUp(signal: AbortSignal): Promise<void>
}
