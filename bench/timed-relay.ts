/** A relay into JetStream that tells when which events were acknowledged. */
import { connect } from '@nats-io/transport-node'
import { type AnyOutboxDb, createRelay, type RelayOptions } from 'drizzle-outbox'
import { jetStreamPublisher } from 'drizzle-outbox/jetstream'

export const STREAM = 'BENCH'

/** Milliseconds of a clock that all processes of a machine share. */
export const now = () => Number(process.hrtime.bigint()) / 1e6

export interface Acknowledged {
  readonly ids: readonly string[]
  /** The last of them: a page is told of as a whole. */
  readonly at: number
}

/** Resolves when the log is published, and heard, if the relay listens. @returns a function that stops it. */
export async function startTimedRelay(
  db: AnyOutboxDb,
  natsUrl: string,
  options: Partial<RelayOptions>,
  onAcknowledged: (acknowledged: Acknowledged) => void,
): Promise<() => Promise<void>> {
  const publisher = jetStreamPublisher({
    connection: () => connect({ servers: natsUrl }),
    stream: { name: STREAM, allow: ['max-payload'] },
  })
  const relay = createRelay({ db, publisher, ...options })
  relay.on('published', ({ events }) => onAcknowledged({ ids: events.map(({ id }) => id), at: now() }))
  const listening = new Promise<void>((resolve) => relay.on('listening', () => resolve()))
  await relay.start()
  await relay.drain()
  if (options.listen) await listening
  return () => relay.stop()
}
