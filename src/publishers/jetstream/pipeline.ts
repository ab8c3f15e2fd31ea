import type { RecordedEvent } from '../../events/domain-event.js'
import type { PublishOptions, PublishOutcome } from '../publisher.js'
import type { PublishError } from './broker-errors.js'

/** Sends an event; `settle` is called once, also when sending fails. */
export type Send = (
  event: RecordedEvent,
  settle: (result: 'stored' | 'duplicate' | PublishError) => void,
) => void

/**
 * Publishes a page with many aggregates in flight, and one event of each: an aggregate's next event leaves when the
 * one before is acknowledged, so none can be stored out of order, whatever is lost on the way.
 */
export function publishPage(
  events: readonly RecordedEvent[],
  send: Send,
  { window, signal, maySend }: PublishOptions & { readonly window: number },
): Promise<PublishOutcome> {
  const { ready, following } = lanes(events)
  const acknowledged = new Uint8Array(events.length)
  const refused: PublishOutcome['refused'][number][] = []
  let unavailable: PublishOutcome['unavailable']
  let duplicates = 0
  let sent = 0
  let inFlight = 0
  let sending = false
  let resolve: (outcome: PublishOutcome) => void
  const outcome = new Promise<PublishOutcome>((settled) => {
    resolve = settled
  })

  const settle = (index: number, result: 'stored' | 'duplicate' | PublishError): void => {
    inFlight--
    if (typeof result === 'string') {
      acknowledged[index] = 1
      if (result === 'duplicate') duplicates++
      const next = following[index]
      if (next !== undefined) ready.push(next)
    } else if (result.code === 'ERR_OUTBOX_UNAVAILABLE') unavailable ??= result
    else refused.push(result)
    advance()
  }

  const advance = (): void => {
    if (sending) return // called from within send
    sending = true
    while (inFlight < window && unavailable === undefined && !signal.aborted) {
      const index = ready[sent]
      if (index === undefined || !maySend()) break
      sent++
      inFlight++
      send(events[index] as RecordedEvent, (result) => settle(index, result))
    }
    sending = false
    if (inFlight === 0 || signal.aborted) finish()
  }

  const finish = (): void => {
    signal.removeEventListener('abort', finish)
    const unacknowledged = events.filter((_, index) => acknowledged[index] === 0)
    resolve({ unacknowledged, duplicates, refused, ...(unavailable === undefined ? {} : { unavailable }) })
  }

  signal.addEventListener('abort', finish)
  advance()
  return outcome
}

/** The events that may be sent at once, the first of each aggregate; and for each event the one that follows it. */
function lanes(events: readonly RecordedEvent[]) {
  const ready: number[] = []
  const following: (number | undefined)[] = new Array(events.length)
  const latest = new Map<string, number>()
  for (const [index, { aggregateType, aggregateId }] of events.entries()) {
    const lane = `${aggregateType}\0${aggregateId}`
    const before = latest.get(lane)
    if (before === undefined) ready.push(index)
    else following[before] = index
    latest.set(lane, index)
  }
  return { ready, following }
}
