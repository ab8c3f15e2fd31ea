import type { Relay } from '../../relay/relay.js'
import type { RelayEventOf, RelayEventType } from '../../relay/relay-events.js'
import type { Log } from '../output/log.js'
import { duration, plural } from '../output/units.js'

type Entry = readonly [level: 'info' | 'warn' | 'error', message: string, fields?: Record<string, unknown>]

/** What is said of each relay event. Nothing: it is counted, or too frequent to be told. */
const ENTRIES: { readonly [T in RelayEventType]: ((event: RelayEventOf<T>) => Entry) | undefined } = {
  leaseAcquired: ({ epoch }) => ['info', `leads, epoch ${epoch}`, { epoch }],
  leaseLost: ({ error }) => ['warn', error.message, { code: error.code }],
  published: undefined,
  checkpoint: undefined,
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
    'warn',
    `paused by the ${by}: ${error.message}; again in ${duration(retryInMs)}`,
    { by, attempt, retryInMs, ...codeOf(error) },
  ],
  resumed: ({ pausedMs }) => ['info', `goes on after ${duration(pausedMs)}`, { pausedMs }],
  pruned: undefined,
  pruneFailed: ({ error }) => ['warn', `could not delete old events: ${error.message}`, codeOf(error)],
  listening: () => ['info', 'listens for commits'],
  listenFailed: ({ error, attempt, retryInMs }) => [
    'warn',
    `polls only, cannot listen: ${error.message}; again in ${duration(retryInMs)}`,
    { attempt, retryInMs, ...codeOf(error) },
  ],
  stopped: () => ['info', 'stopped'],
}

/** Writes what the relay does, and every ten seconds how much it has published. */
export function logRelay(relay: Relay, log: Log): void {
  const { name } = relay.status()
  const write = ([level, message, fields]: Entry) =>
    log.write(level, `relay ${name} ${message}`, { relay: name, ...fields })
  let told = 0
  const tellPublished = () => {
    const { published } = relay.status()
    const count = published - told
    told = published
    if (count > 0) write(['info', `published ${plural(count, 'event')}`, { published: count }])
  }
  const timer = setInterval(tellPublished, TELL_MS)
  timer.unref()
  relay.on('stopped', () => {
    clearInterval(timer)
    tellPublished()
  })
  for (const [type, entryOf] of Object.entries(ENTRIES))
    if (entryOf) relay.on(type as RelayEventType, (event) => write(entryOf(event as never)))
}

const TELL_MS = 10_000

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
