/** What becomes of a stream when a relay of the past publishes what its successor has published long ago. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Publisher, PublishOutcome } from 'drizzle-outbox'
import { DUPLICATE_WINDOW, type Stage } from './stage.js'

export interface Lateness {
  readonly outcome: PublishOutcome
  /** Ids in the stream, before and after. */
  readonly before: readonly (string | undefined)[]
  readonly after: readonly (string | undefined)[]
}

export async function publishLate(stage: Stage, makePublisher: () => Publisher): Promise<Lateness> {
  const late = makePublisher()
  const { signal } = new AbortController()
  await late.prepare({ leaseMs: 2000, signal })
  await late.recover!({ state: undefined, unsettled: true, signal })
  await stage.write(300, 64)
  await stage.relay(makePublisher()).drain()
  const before = await stage.stored()
  await sleep(3 * DUPLICATE_WINDOW)
  const outcome = await late.publish(await stage.events(), {
    signal,
    maySend: () => true,
    fresh: false,
    outcomesSeen: false,
  })
  await late.close()
  return { outcome, before, after: await stage.stored() }
}
