import { invalidOption } from '../errors.js'
import {
  type DeadLetter,
  type DeadLetterFilter,
  discardDeadLetters,
  findDeadLetters,
  retryDeadLetters,
} from '../event-log/find-dead-letters.js'
import type { AnyOutboxDb } from '../transaction/outbox-db.js'

/** Which dead letters to change. All of them only when it says so. */
export type DeadLetterChoice = DeadLetterFilter | { readonly all: true }

/** What a relay could not publish. Its relay carries out what is decided here, within about a second. */
export interface DeadLetterOperations {
  /**
   * In the order of the log; without a `state`, those that are `retrying` or `parked`.
   *
   * @param filter `limit`: how many at most, by default 100. `after`: only those after this position, for the next page.
   */
  list(
    filter?: DeadLetterFilter & { readonly limit?: number; readonly after?: number },
  ): Promise<DeadLetter[]>
  /** Has parked events published again, before what waits behind each. @returns how many. */
  retry(choice: DeadLetterChoice): Promise<number>
  /**
   * Has events passed by for good, by default those that are `retrying` or `parked`; what waits behind them is published.
   *
   * @returns how many.
   */
  discard(choice: DeadLetterChoice): Promise<number>
}

/**
 * The events that a relay could not publish, for an operator.
 *
 * @example
 * ```ts
 * const letters = deadLetters(db)
 * for (const { type, aggregateId, error, waiting } of await letters.list())
 *   console.log(type, aggregateId, error?.message, waiting)
 * await letters.retry({ aggregate: { type: 'order', id: 'o-1' } })
 * ```
 * @param options `relay`: its name. Default 'default'.
 * @throws from its functions: `ERR_OUTBOX_OPTION_INVALID`, `ERR_OUTBOX_TABLES_MISSING`.
 */
export function deadLetters(
  db: AnyOutboxDb,
  { relay = 'default' }: { readonly relay?: string } = {},
): DeadLetterOperations {
  const { log } = db['~drizzle-outbox']
  return {
    list: async ({ limit = 100, after = 0, ...filter } = {}) =>
      findDeadLetters(log, relay, checkFilter(filter), { limit, after }),
    retry: async (choice) => retryDeadLetters(log, relay, checkChoice(choice)),
    discard: async (choice) => discardDeadLetters(log, relay, checkChoice(choice)),
  }
}

function checkChoice(choice: DeadLetterChoice): DeadLetterFilter {
  if ('all' in choice && choice.all === true) return {}
  const filter = checkFilter(choice as DeadLetterFilter)
  if (Object.values(filter).every((value) => value === undefined))
    throw invalidOption('choice', 'must name an event, an aggregate, a type or a time, or be { all: true }')
  return filter
}

function checkFilter(filter: DeadLetterFilter): DeadLetterFilter {
  const { id, since, until } = filter
  if (id !== undefined && !/^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i.test(id))
    throw invalidOption('id', "must be an event's id, a UUID")
  for (const [option, time] of Object.entries({ since, until }))
    if (time !== undefined && Number.isNaN(time.getTime()))
      throw invalidOption(option, 'must be a valid date')
  return filter
}
