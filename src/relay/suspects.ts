import { OutboxError } from '../errors.js'
import type { LogReader } from '../event-log/log-reader.js'
import type { Handover } from './handover.js'
import type { Refusals } from './refusals.js'
import type { RelayContext } from './relay-context.js'

/** So many relays may vanish at one place of the log before it is looked at closely, and so many again at one event. */
const MAX_CRASHES = 3

/**
 * When relay after relay has vanished without publishing anything, one of the next events may be what ends them: they
 * are published one by one, each noted before, and the one that ends relays even so becomes a dead letter.
 */
export async function publishSuspects(
  { options, stopping }: RelayContext,
  reader: LogReader,
  handover: Handover,
  refusals: Refusals,
): Promise<void> {
  if (reader.crashes.crashes < MAX_CRASHES && reader.crashes.suspect === null) return
  for (let count = 0; count < options.batchSize && !stopping.aborted; count++) {
    const { events } = await reader.readPage(reader.page, 1)
    const [event] = events
    if (event === undefined) return
    const { crashes, suspect } = reader.crashes
    const { position } = event
    const attempts = suspect === position ? crashes : 0
    const isDeadly = attempts >= MAX_CRASHES && !handover.isStored(event)
    if (isDeadly) refusals.giveUp(event, relayDied(event.id))
    else await reader.suspect(position, attempts + 1)
    const offer = handover.offer(isDeadly ? [] : events, true)
    const { state, unacknowledged } = await offer.outcome
    // Whoever is there to see an attempt fail was not ended by it; and what ends relays later may be an outage.
    if (unacknowledged.length > 0) await reader.suspect(position, 0)
    await handover.settle([offer])
    await reader.checkpoint({ position, publisherState: state, setAside: refusals.take(position) })
  }
}

/** Relays ended while they published this very event. */
export function relayDied(eventId: string) {
  return new OutboxError(
    'ERR_OUTBOX_RELAY_DIED',
    `event ${eventId} was given up: relay after relay ended while it was published alone`,
    { eventId },
  )
}
