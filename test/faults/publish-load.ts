/** Many events of few aggregates, written by concurrent transactions while relays and servers die. */
import type { Db } from '../support/outbox-databases.js'
import type { Random } from '../support/random.js'
import { accountEvents } from './accounts.js'
import { type Journal, toEntry } from './journal.js'

const AGGREGATES = Number(process.env.OUTBOX_TEST_AGGREGATES ?? 64)
const WRITERS = 6
const PER_TRANSACTION = 40

/** Awaits `between` after every transaction, for whoever wants the load spread over time. */
export async function writeEvents(
  db: Db,
  journal: Journal,
  random: Random,
  count: number,
  between: () => Promise<unknown>,
): Promise<void> {
  let left = count
  const write = async () => {
    while (left > 0) {
      const size = Math.min(left, 1 + random.below(2 * PER_TRANSACTION))
      left -= size
      await writeAtOnce(db, journal, random, size)
      await between()
    }
  }
  await Promise.all(Array.from({ length: WRITERS }, write))
}

/** In one transaction. */
export async function writeAtOnce(db: Db, journal: Journal, random: Random, count: number): Promise<void> {
  const events = random.times(count, (n) =>
    accountEvents.noted(
      `account ${random.below(AGGREGATES)} ü%`,
      { text: `${n} "quoted" ünïcödé 💶 \\ \n${'·'.repeat(random.below(300))}` },
      { correlationId: `request ${n} %41`, extensions: { tenant: 'Zürich' } },
    ),
  )
  await db.transaction(async (tx) => tx.outbox.add(...events))
  journal.committed(events.map(toEntry))
}
