/** It does not end well. */
import type { PublishOutcome, RecordedEvent } from 'drizzle-outbox'
import type { ModelBroker } from '../model-broker.js'
import { ModelPublisher, type OpenPage, unavailable } from '../model-publisher.js'
import type { Mutant } from './mutant.js'

const twice = 'can be closed before it is prepared, twice, and be prepared again'

class ClosesOnce extends ModelPublisher {
  #closed = false

  override async close(): Promise<void> {
    if (this.#closed) throw new Error('closed already')
    this.#closed = true
    await super.close()
  }
}

class StaysClosed extends ModelPublisher {
  #closed = false

  override async prepare(): Promise<void> {
    if (this.#closed) throw new Error('closed for good')
    await super.prepare()
  }

  override async close(): Promise<void> {
    this.#closed = true
    await super.close()
  }
}

class ClosesAll extends ModelPublisher {
  static readonly #all = new Set<ModelPublisher>()

  constructor(broker: ModelBroker) {
    super(broker)
    ClosesAll.#all.add(this)
  }

  override async close(): Promise<void> {
    const trouble = { unavailable: unavailable(new Error('closed')) }
    for (const publisher of ClosesAll.#all) (publisher as ClosesAll).giveUp(trouble)
  }
}

/** What is in flight will arrive. */
class ClosesHopefully extends ModelPublisher {
  #closed = false

  override async close(): Promise<void> {
    this.#closed = true
    await super.close()
  }

  protected override outcomeOf(events: readonly RecordedEvent[], page: OpenPage): PublishOutcome {
    const { unavailable: _, ...outcome } = super.outcomeOf(events, page)
    return this.#closed ? { ...outcome, unacknowledged: [] } : outcome
  }
}

class LeavesTimers extends ModelPublisher {
  override async prepare(): Promise<void> {
    setTimeout(() => {}, 5000)
    await super.prepare()
  }
}

export const closingMutants: readonly Mutant[] = [
  { mutant: 'can be closed once', publisher: ClosesOnce, caughtBy: { [twice]: /closed already/ } },
  { mutant: 'stays closed', publisher: StaysClosed, caughtBy: { [twice]: /closed for good/ } },
  {
    mutant: 'closes all publishers',
    publisher: ClosesAll,
    caughtBy: {
      'can be closed while it is prepared, ten of them at the same time, and disturbs no other':
        /unacknowledged: /,
    },
  },
  {
    mutant: 'takes for acknowledged what is in flight when it is closed',
    publisher: ClosesHopefully,
    caughtBy: { 'loses nothing of what it acknowledged when it is closed in mid-publish': /is missing/ },
  },
  {
    mutant: 'leaves timers behind',
    publisher: LeavesTimers,
    endless: true,
    caughtBy: {
      'frees what it opened, so that a process can end': /something that it opened, .*Timeout.* goes on/,
    },
  },
]
