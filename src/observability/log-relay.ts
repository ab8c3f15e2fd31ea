import { safeText } from '../foreign-errors.js'
import type { Relay } from '../relay/relay.js'
import type { RelayEventOf, RelayEventType } from '../relay/relay-events.js'
import { duration } from './duration.js'

/** What we use of a logger: pino, `console`, or your own. */
export interface Logger {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

type Entry = readonly [level: keyof Logger, message: string, fields?: Readonly<Record<string, unknown>>]

const ENTRIES: { readonly [T in RelayEventType]: (event: RelayEventOf<T>) => Entry } = {
  leaseAcquired: ({ epoch }) => ['info', `leads, epoch ${epoch}`, { epoch }],
  leaseLost: ({ error }) => [
    'warn',
    error.message.replace(/^relay \S+: /, 'leads no more: '),
    { code: error.code },
  ],
  replayBegun: ({ position }) => ['info', `publishes again from position ${position} on`, { position }],
  published: ({ count, duplicates, durationMs }) => [
    'debug',
    `published ${count} in ${duration(durationMs)}`,
    { count, duplicates, durationMs },
  ],
  checkpoint: ({ events }) => ['debug', `stored its checkpoint after ${events} events`, { events }],
  refused: (event) => [
    'warn',
    `tries ${aggregateOf(event)} again in ${duration(event.retryInMs)}: ${event.error.message}`,
    { ...fieldsOf(event), retryInMs: event.retryInMs },
  ],
  deadLettered: (event) => [
    'error',
    `parked event ${event.eventId} of ${aggregateOf(event)}${event.holds ? ', whose later events wait' : ''}: ${event.error.message}`,
    { ...fieldsOf(event), holds: event.holds },
  ],
  released: (event) => ['info', `goes on with ${aggregateOf(event)}`, keyOf(event)],
  paused: ({ by, error, attempt, retryInMs }) => [
    levelOf(attempt),
    `paused by the ${by}: ${error.message}; again in ${duration(retryInMs)}`,
    { by, attempt, retryInMs, ...codeOf(error) },
  ],
  resumed: ({ pausedMs }) => ['info', `goes on after ${duration(pausedMs)}`, { pausedMs }],
  pruned: ({ events, durationMs }) => [
    'debug',
    `deleted ${events} old events in ${duration(durationMs)}`,
    { events, durationMs },
  ],
  pruneFailed: ({ error }) => ['warn', `could not delete old events: ${error.message}`, codeOf(error)],
  listening: () => ['info', 'listens for commits'],
  listenFailed: ({ error, attempt, retryInMs }) => [
    levelOf(attempt),
    `polls only, cannot listen: ${error.message}; again in ${duration(retryInMs)}`,
    { attempt, retryInMs, ...codeOf(error) },
  ],
  rebased: ({ durationMs }) => [
    'warn',
    `found the log in another database cluster, and carried the checkpoints over in ${duration(durationMs)}`,
    { durationMs },
  ],
  stopped: () => ['info', 'stopped'],
}

/**
 * Writes what a relay tells to a logger, which it would not do by itself: changes as `info`, what goes wrong as `warn`, what
 * waits for an operator as `error`, each page as `debug`. A failure that repeats is a warning at the 1st, 2nd, 4th, 8th …
 * attempt. Nothing of an event's data or metadata is written, and no address with a password.
 *
 * @example
 * ```ts
 * logRelay(relay, pino()) // or console
 * ```
 * @returns a function that ends it.
 */
export function logRelay(relay: Relay, logger: Logger): () => void {
  const { name } = relay.status()
  const write = ([level, message, fields]: Entry) =>
    logger[level]({ relay: name, ...fields }, safeText(`relay ${name} ${message}`))
  const ends = Object.entries(ENTRIES).map(([type, entryOf]) =>
    relay.on(type as RelayEventType, (event) => write(entryOf(event as never))),
  )
  return () => {
    for (const end of ends) end()
  }
}

/** An outage that lasts is not to fill a disk. */
function levelOf(attempt: number): 'warn' | 'debug' {
  return Number.isInteger(Math.log2(attempt)) ? 'warn' : 'debug'
}

type Key = { readonly aggregateType: string; readonly aggregateId: string }

function aggregateOf({ aggregateType, aggregateId }: Key): string {
  return `${aggregateType} ${aggregateId}`
}

function keyOf({ aggregateType, aggregateId }: Key): Key {
  return { aggregateType, aggregateId }
}

function fieldsOf(event: RelayEventOf<'refused' | 'deadLettered'>) {
  const { eventId, position, eventType, attempts, error } = event
  return { ...keyOf(event), eventId, position, eventType, attempts, code: error.code }
}

function codeOf(error: Error): { code?: unknown } {
  return 'code' in error ? { code: error.code } : {}
}
