/** What is reported is not what has happened. */
import { OutboxError, type PublishOptions, type PublishOutcome, type RecordedEvent } from 'drizzle-outbox'
import { ModelPublisher, type OpenPage } from '../model-publisher.js'
import type { Mutant } from './mutant.js'

const refusesEvents =
  'refuses events, holds back what follows them in their aggregates, and stores all others'
const away = 'says that the destination is unavailable, refuses nothing, and goes on when it is back'
const again = 'stores an event once that is published again, and counts the duplicates'

const reporting = (change: (outcome: PublishOutcome) => object) =>
  class extends ModelPublisher {
    protected override outcomeOf(events: readonly RecordedEvent[], page: OpenPage): PublishOutcome {
      const outcome = super.outcomeOf(events, page)
      return { ...outcome, ...change(outcome) }
    }
  }

class Nameless extends ModelPublisher {
  override readonly name = ''
}

class StatusFails extends ModelPublisher {
  #closed = false
  status() {
    if (this.#closed) throw new Error('it is closed')
    return {}
  }
  override async close(): Promise<void> {
    this.#closed = true
    await super.close()
  }
}

class NeedsEvents extends ModelPublisher {
  override async publish(events: readonly RecordedEvent[], options: PublishOptions): Promise<PublishOutcome> {
    if (events.length === 0) throw new RangeError('no events')
    return super.publish(events, options)
  }
}

export const outcomeMutants: readonly Mutant[] = [
  {
    mutant: 'has no name',
    publisher: Nameless,
    caughtBy: {
      'says its name, its timeout, how many pages may be open, and whether it can recover': /no name/,
    },
  },
  {
    mutant: 'has no status when it is closed',
    publisher: StatusFails,
    caughtBy: {
      'gives its status before it is prepared, while it publishes, and after it is closed': /it is closed/,
    },
  },
  {
    mutant: 'cannot publish nothing',
    publisher: NeedsEvents,
    caughtBy: { 'has nothing to do for a page without events': /publish must not throw: .*no events/s },
  },
  {
    mutant: 'loses the order of unacknowledged',
    publisher: reporting(({ unacknowledged }) => ({ unacknowledged: unacknowledged.toReversed() })),
    caughtBy: { [refusesEvents]: /unacknowledged is not in the order given/ },
  },
  {
    mutant: 'gives other events back',
    publisher: reporting(({ unacknowledged }) => ({ unacknowledged: structuredClone(unacknowledged) })),
    caughtBy: { [refusesEvents]: /unacknowledged has an event that was not given/ },
  },
  {
    mutant: 'refuses events that it was not given',
    publisher: reporting(({ refused }) => ({
      refused: refused.map(() => new OutboxError('ERR_OUTBOX_EVENT_REFUSED', 'no', { eventId: '?' })),
    })),
    caughtBy: { [refusesEvents]: /refused names an event that was not given: \?/ },
  },
  {
    mutant: 'gives no reason',
    publisher: reporting(() => ({ unavailable: undefined })),
    caughtBy: { [away]: /unacknowledged without a reason/ },
  },
  {
    mutant: 'gives errors of its own for reasons',
    publisher: reporting(({ unavailable }) => (unavailable ? { unavailable: new Error('down') } : {})),
    caughtBy: { [away]: /unavailable is not an OutboxError ERR_OUTBOX_UNAVAILABLE: Error: down/ },
  },
  {
    mutant: 'counts no duplicates',
    publisher: reporting(() => ({ duplicates: 0 })),
    caughtBy: { [again]: /of 50 duplicates it counts 0/ },
  },
  {
    mutant: 'counts duplicates where there are none',
    publisher: reporting(({ unacknowledged }) => ({ duplicates: unacknowledged.length === 0 ? 20 : 0 })),
    caughtBy: { [again]: /duplicates/ },
  },
]
