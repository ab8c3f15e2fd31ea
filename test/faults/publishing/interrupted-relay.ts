/** What becomes of a stream when a relay ends while the second of two open pages is stored, and only the first acknowledged. */
import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'drizzle-orm'
import type { Publisher, PublishOutcome } from 'drizzle-outbox'
import { expect } from 'vitest'
import { query } from '../../../src/event-log/database.js'
import { overriding } from '../../support/publishers.js'
import { DUPLICATE_WINDOW, type Stage } from './stage.js'

/** @returns ids in the stream, when its successor has published the rest. */
export async function publishInterrupted(stage: Stage, makePublisher: () => Publisher) {
  await stage.write(10, 1) // one after the other; meanwhile the second page is stored
  await stage.write(10, 10)
  const publisher = makePublisher()
  let publishFirst: (() => void) | undefined
  const relay = stage.relay(
    overriding(publisher, {
      publish: (...page) =>
        new Promise<PublishOutcome>((resolve) => {
          const publish = () => publisher.publish(...page)
          if (publishFirst === undefined) {
            publishFirst = () => resolve(publish())
            return
          }
          // Together, however long it took to read the second.
          publishFirst()
          void publish()
        }),
    }),
  )
  await relay.start()
  await expect.poll(() => isCheckpointed(stage), { interval: 5 }).toBe(true)
  await relay.stop({ timeoutMs: 0 })
  await sleep(3 * DUPLICATE_WINDOW)
  await stage.relay(makePublisher()).drain()
  return stage.stored()
}

/** Within a window. */
async function isCheckpointed({ open }: Stage): Promise<boolean> {
  const { log } = open.db['~drizzle-outbox']
  return (await query(log, sql`select from outbox_relays where page > 0`)).length > 0
}
