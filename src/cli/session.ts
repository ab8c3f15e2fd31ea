import { Option } from 'commander'
import type { ClosableDb, OutboxConfig } from '../config/index.js'
import type { EventLog } from '../event-log/database.js'
import { guardLog } from '../event-log/guarded-log.js'
import type { Publisher } from '../publishers/publisher.js'
import { untilAborted } from '../relay/sleep.js'
import type { AnyOutboxDb } from '../transaction/outbox-db.js'
import type { Context } from './command.js'
import { loadConfig } from './config/load-config.js'
import { UsageError } from './exit-codes.js'

/** What a command works with: the configuration, and the database that it names. */
export interface Session {
  readonly config: OutboxConfig
  /** As the user named it, for messages. */
  readonly file: string
  readonly db: AnyOutboxDb
  /** Every statement has a deadline, and none is waited for once the command is interrupted. */
  readonly log: EventLog
  /** The same database for operations, whose statements are those of `log`. */
  readonly guardedDb: AnyOutboxDb
  /** A new one. @throws UsageError */
  createPublisher(): Promise<Publisher>
}

export interface SessionOptions {
  readonly config?: string
}

export const configOption = new Option(
  '-c, --config <file>',
  'the configuration (default: outbox.config.ts, .mts, .js or .mjs of this folder)',
).env('OUTBOX_CONFIG')

/**
 * Opens what the configuration names, and closes it afterwards.
 *
 * @param options `statementTimeoutMs`: the deadline of each statement, 30 seconds by default.
 * @throws UsageError
 */
export async function withSession<T>(
  { config: named, statementTimeoutMs = 30_000 }: SessionOptions & { readonly statementTimeoutMs?: number },
  { signal, log }: Pick<Context, 'signal' | 'log'>,
  use: (session: Session) => Promise<T>,
): Promise<T> {
  const { config, file } = await loadConfig(named)
  const made = await untilAborted(Promise.resolve(config.db()), signal)
  const { db, close } = isClosable(made) ? made : { db: made, close: () => {} }
  if (db?.['~drizzle-outbox'] === undefined)
    throw new UsageError(`${file}: db must return what withOutbox(…) gives, or { db, close }`)
  const outbox = db['~drizzle-outbox']
  const guarded = guardLog(outbox.log, statementTimeoutMs, signal)
  try {
    return await use({
      config,
      file,
      db,
      log: guarded,
      guardedDb: {
        transaction: (run, config) => db.transaction(run, config),
        '~drizzle-outbox': { ...outbox, log: guarded },
      },
      createPublisher: async () => {
        const publisher = await untilAborted(Promise.resolve(config.publisher()), signal)
        if (typeof publisher?.publish === 'function') return publisher
        throw new UsageError(`${file}: publisher must return a publisher, such as jetStreamPublisher({ … })`)
      },
    })
  } finally {
    await withinTime(Promise.resolve().then(close)).catch((error) =>
      log.warn(`${file}: close failed: ${error instanceof Error ? error.message : error}`),
    )
  }
}

/** For statements that go through the whole log. Whoever waits for too long can interrupt them. */
export const WHOLE_LOG_TIMEOUT_MS = 600_000

const CLOSE_TIMEOUT_MS = 5000

function isClosable(made: AnyOutboxDb | ClosableDb): made is ClosableDb {
  return typeof made === 'object' && made !== null && !('~drizzle-outbox' in made) && 'db' in made
}

function withinTime(closing: Promise<unknown>): Promise<unknown> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not done within ${CLOSE_TIMEOUT_MS} ms`)), CLOSE_TIMEOUT_MS)
  })
  return Promise.race([closing, late]).finally(() => clearTimeout(timer))
}
