import { invalidOption } from '../errors.js'
import { DEFAULT_RETENTION_MS } from '../event-log/retention.js'
import type { Publisher } from '../publishers/publisher.js'
import type { AnyOutboxDb } from '../transaction/outbox-db.js'

export interface RelayOptions {
  /** The database, as `withOutbox` gives it: the relay runs single statements on it. */
  readonly db: AnyOutboxDb
  /** Where events go. One publisher for each relay: it is closed with it. */
  readonly publisher: Publisher
  /**
   * Relays of one name share one checkpoint, and one of them is active at a time. Relays of different names publish
   * the whole log independently. Keep it: another name starts at the beginning of the log.
   *
   * @default 'default'
   */
  readonly name?: string
  /** Events read at a time, up to 10000; up to four such pages are in memory. @default 1000 */
  readonly batchSize?: number
  /** Bytes of event data read at a time; the event that reaches it still comes along. @default 4194304, 4 MiB */
  readonly batchBytes?: number
  /**
   * How soon the log is looked at again after it was found empty. Doubles with every empty look, up to `maxPollMs`.
   * Commits through the same `db` object wake the relay at once. Milliseconds. @default 20
   */
  readonly minPollMs?: number
  /** The longest an event from another process waits in an idle log. Milliseconds. @default 500 */
  readonly maxPollMs?: number
  /**
   * Listens for the notifications of writers in other processes, whose `withOutbox` says `notify`, on one more
   * connection while this relay leads. Polling stays the net, so `maxPollMs` may be longer then. Needs a node-postgres
   * pool, postgres.js or PGlite, and no pooler that takes sessions apart, such as PgBouncer in transaction mode: the
   * events `listening` and `listenFailed` tell.
   *
   * @default false
   */
  readonly listen?: boolean
  /**
   * With `listen`: how often the relay notifies itself, and how long that may take before it listens on a new
   * connection. Until then, events wait for a poll when a connection is gone without a word. Milliseconds. @default 5000
   */
  readonly heartbeatMs?: number
  /** How long after its last sign of life a dead relay keeps others waiting. Milliseconds. @default 15000 */
  readonly leaseMs?: number
  /** A statement without an answer after so long counts as failed. Milliseconds. @default 30000 */
  readonly statementTimeoutMs?: number
  /** How often an event that the broker refuses is tried before it becomes a dead letter, up to 100. @default 5 */
  readonly maxAttempts?: number
  /**
   * What becomes of an aggregate whose event is a dead letter, by the event's type, such as
   * `{ 'order.viewed': 'continue' }`. With `hold`, its later events wait until an operator has the event published or
   * discarded; with `continue` they are published, and the stream has a gap, or the event later than those that follow it.
   *
   * @default {}, hold for all
   */
  readonly onRefused?: Readonly<Record<string, 'hold' | 'continue'>>
  /**
   * How old events are when they are deleted from the log: by the database's clock, and never before every relay has
   * published them. `0` deletes them once they are published, `false` keeps them all. Of several relays on one log, the
   * shortest counts. Milliseconds. @default 604800000, 7 days
   */
  readonly retentionMs?: number | false
  /** The pause after a first failure of broker or database, and after an event was refused. Doubles, with jitter. Milliseconds. @default 100 */
  readonly minBackoffMs?: number
  /**
   * The longest pause between attempts, where nobody tells that the broker can be reached again. Below the publisher's
   * `publishTimeoutMs`, a broker that works again is published to within that. Milliseconds. @default 2000
   */
  readonly maxBackoffMs?: number
}

export type ResolvedRelayOptions = Required<RelayOptions>

/** @throws `ERR_OUTBOX_OPTION_INVALID` */
export function resolveRelayOptions(options: RelayOptions): ResolvedRelayOptions {
  const resolved = {
    name: 'default',
    batchSize: 1000,
    batchBytes: 4 * 1024 * 1024,
    minPollMs: 20,
    maxPollMs: 500,
    listen: false,
    heartbeatMs: 5000,
    leaseMs: 15_000,
    statementTimeoutMs: 30_000,
    maxAttempts: 5,
    onRefused: {},
    retentionMs: DEFAULT_RETENTION_MS,
    minBackoffMs: 100,
    maxBackoffMs: 2000,
    ...withoutUndefined(options),
  } satisfies ResolvedRelayOptions

  if (resolved.db?.['~drizzle-outbox'] === undefined)
    throw invalidOption('db', 'must be the result of withOutbox(…)')
  if (typeof resolved.publisher?.publish !== 'function')
    throw invalidOption('publisher', 'must be a publisher')
  if (!/^[\w.:-]{1,63}$/.test(resolved.name))
    throw invalidOption('name', 'must be 1 to 63 letters, digits, or any of . : - _')
  for (const option of POSITIVE)
    if (!Number.isInteger(resolved[option]) || resolved[option] < 1 || resolved[option] > MAX_TIMER_MS)
      throw invalidOption(option, `must be a whole number from 1 to ${MAX_TIMER_MS}, not ${resolved[option]}`)
  if (resolved.maxAttempts > MAX_ATTEMPTS)
    throw invalidOption('maxAttempts', `must not be above ${MAX_ATTEMPTS}`)
  for (const [type, action] of Object.entries(resolved.onRefused))
    if (action !== 'hold' && action !== 'continue')
      throw invalidOption('onRefused', `${type} must be 'hold' or 'continue'`)
  if (
    resolved.retentionMs !== false &&
    !(Number.isInteger(resolved.retentionMs) && resolved.retentionMs >= 0)
  )
    throw invalidOption('retentionMs', `must be a whole number from 0, or false, not ${resolved.retentionMs}`)
  if (resolved.batchSize > MAX_BATCH_SIZE)
    throw invalidOption('batchSize', `must not be above ${MAX_BATCH_SIZE}`)
  if (resolved.listen && resolved.db['~drizzle-outbox'].listen === undefined)
    throw invalidOption('listen', 'needs a database on a node-postgres pool, postgres.js or PGlite')
  if (resolved.maxPollMs < resolved.minPollMs) throw invalidOption('maxPollMs', 'must not be below minPollMs')
  if (resolved.maxBackoffMs < resolved.minBackoffMs)
    throw invalidOption('maxBackoffMs', 'must not be below minBackoffMs')
  if (resolved.leaseMs < 2 * resolved.publisher.publishTimeoutMs)
    throw invalidOption(
      'leaseMs',
      `must be at least twice the publisher's publishTimeoutMs (${resolved.publisher.publishTimeoutMs})`,
    )
  return resolved
}

/** Several pages must fit into what a relay may hand over beyond its checkpoint. */
const MAX_BATCH_SIZE = 10_000

const MAX_ATTEMPTS = 100

/** Longer timers of Node.js fire at once. */
export const MAX_TIMER_MS = 2 ** 31 - 1

const POSITIVE = [
  'batchSize',
  'batchBytes',
  'minPollMs',
  'maxPollMs',
  'heartbeatMs',
  'leaseMs',
  'statementTimeoutMs',
  'maxAttempts',
  'minBackoffMs',
  'maxBackoffMs',
] as const

function withoutUndefined<T extends object>(options: T): T {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as T
}
