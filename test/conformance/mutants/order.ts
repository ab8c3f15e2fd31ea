/** What is stored is out of order, or has holes. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { PublishOptions, PublishOutcome, RecordedEvent } from 'drizzle-outbox'
import { ModelPublisher, type OpenPage } from '../model-publisher.js'
import type { Mutant } from './mutant.js'

class TwoInFlight extends ModelPublisher {
  protected override laneOf({ id }: RecordedEvent): string {
    return id
  }
}

/** Publishes something else than it was given, and answers as if it had not. */
abstract class Rearranging extends ModelPublisher {
  protected abstract rearranged(events: readonly RecordedEvent[]): readonly RecordedEvent[]

  override async publish(events: readonly RecordedEvent[], options: PublishOptions): Promise<PublishOutcome> {
    const outcome = await super.publish(this.rearranged(events), options)
    const left = new Set(outcome.unacknowledged)
    return { ...outcome, unacknowledged: events.filter((event) => left.has(event)) }
  }
}

class Reverses extends Rearranging {
  protected override rearranged(events: readonly RecordedEvent[]) {
    return events.toReversed()
  }
}

class ForgetsTheThousandth extends Rearranging {
  protected override rearranged(events: readonly RecordedEvent[]) {
    return events.slice(0, 999)
  }
}

class OrderOfEachPage extends ModelPublisher {
  protected override laneOf(event: RecordedEvent, page: OpenPage): string {
    return `${page.number} ${super.laneOf(event, page)}`
  }
}

/** And has forgotten by then what was left. */
class PreparesItself extends ModelPublisher {
  override async publish(events: readonly RecordedEvent[], options: PublishOptions): Promise<PublishOutcome> {
    await this.prepare()
    return super.publish(events, options)
  }
}

/** Pages of one aggregate go another way, and nothing waits for them. */
class SlowForOneAggregate extends ModelPublisher {
  override async publish(events: readonly RecordedEvent[], options: PublishOptions) {
    if (new Set(events.map(({ aggregateId }) => aggregateId)).size === 1) await sleep(50)
    return super.publish(events, options)
  }
}

export const orderMutants: readonly Mutant[] = [
  {
    mutant: 'has two events of an aggregate in flight',
    publisher: TwoInFlight,
    caughtBy: {
      'stores nothing of an aggregate after an event of it that got lost on the way': /is stored where/,
      'refuses events, holds back what follows them in their aggregates, and stores all others':
        /was refused, and acknowledged/,
    },
  },
  {
    mutant: 'publishes pages backwards',
    publisher: Reverses,
    caughtBy: {
      'keeps 4000 events of 64 aggregates in order, with as many pages open as it allows': /is stored where/,
      'keeps 1000 events of one aggregate in order, and of three': /is stored where/,
      'keeps aggregates in order that are of two types and share their ids': /is stored where/,
    },
  },
  {
    mutant: 'forgets the thousandth event of a page',
    publisher: ForgetsTheThousandth,
    caughtBy: { 'takes 5000 events of as many aggregates': /"aggregate 999" 1 is missing/ },
  },
  {
    mutant: 'keeps order within a page only',
    publisher: OrderOfEachPage,
    caughtBy: {
      'stores nothing of an aggregate from a page that is open beside one in which an event of it got lost':
        /is stored where/,
      'holds back later events of the aggregate in a page that is open beside it, and no others':
        /unacknowledged: .*; expected: /,
      'holds back later events of the aggregate in a page that comes after it, until the refused one comes again':
        /unacknowledged: .*; expected: /,
    },
  },
  {
    mutant: 'prepares itself for each page',
    publisher: PreparesItself,
    caughtBy: {
      'stores nothing of an aggregate from a page that comes after one in which an event of it got lost':
        /is stored where/,
    },
  },
  {
    mutant: 'lets a page overtake one of another kind',
    publisher: SlowForOneAggregate,
    caughtBy: { 'keeps pages of every kind in order beside each other': /is stored where/ },
  },
]
