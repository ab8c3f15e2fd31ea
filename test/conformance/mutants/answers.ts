/** Of what nobody answered for something is said, or nothing ever. */
import type { PublishOptions, PublishOutcome, RecordedEvent } from 'drizzle-outbox'
import type { Answer } from '../model-broker.js'
import { ModelPublisher, type OpenPage, unavailable } from '../model-publisher.js'
import type { Mutant } from './mutant.js'

const unanswered = 'takes nothing for acknowledged that nobody answered for, and publishes it again'
const away = 'says that the destination is unavailable, refuses nothing, and goes on when it is back'
const goesAway = 'loses nothing of what it acknowledged when the destination goes away in mid-publish'

class AcceptsEmptyAnswers extends ModelPublisher {
  protected override accepts(): boolean {
    return true
  }
}

/** What was in flight when the connection was lost, or when nobody answered, will have arrived. */
class Hopes extends ModelPublisher {
  protected override failed(error: Error, event: RecordedEvent, page: OpenPage): boolean {
    page.acknowledged.add(event)
    return super.failed(error, event, page)
  }
}

/** And it says of nothing that it has failed. */
class HopesSilently extends ModelPublisher {
  protected override failed(_error: Error, event: RecordedEvent, page: OpenPage): boolean {
    page.acknowledged.add(event)
    return true
  }
}

class WaitsForEver extends ModelPublisher {
  protected override withinTimeout(answer: Promise<Answer>): Promise<Answer> {
    return answer
  }
}

class TakesOutageForRefusal extends ModelPublisher {
  protected override failed(_error: Error, event: RecordedEvent, page: OpenPage): boolean {
    return this.refused(event, page)
  }
}

class Throws extends ModelPublisher {
  override async publish(events: readonly RecordedEvent[], options: PublishOptions): Promise<PublishOutcome> {
    const outcome = await super.publish(events, options)
    if (outcome.unavailable) throw outcome.unavailable
    return outcome
  }
}

class PreparesRegardless extends ModelPublisher {
  override async prepare(): Promise<void> {
    await super.prepare().catch(() => {})
  }
}

class RejectsWithAnything extends ModelPublisher {
  override async prepare(): Promise<void> {
    await this.broker.ping()
    await super.prepare()
  }
}

class UnboundedEvents extends ModelPublisher {
  protected override hasRoom(_events: number, bytes: number): boolean {
    return super.hasRoom(0, bytes)
  }
}

class UnboundedBytes extends ModelPublisher {
  protected override hasRoom(events: number): boolean {
    return super.hasRoom(events, 0)
  }
}

class StaysTroubled extends ModelPublisher {
  #lost = false

  protected override failed(error: Error, event: RecordedEvent, page: OpenPage): boolean {
    this.#lost = true
    return super.failed(error, event, page)
  }

  override async prepare(): Promise<void> {
    if (this.#lost) throw unavailable(new Error('lost'))
    await super.prepare()
  }
}

export const answerMutants: readonly Mutant[] = [
  {
    mutant: 'accepts an answer with sequence 0',
    publisher: AcceptsEmptyAnswers,
    caughtBy: {
      'takes no answer for an acknowledgement that does not say that the event is stored':
        /unacknowledged: none; expected: /,
    },
  },
  {
    mutant: 'takes for acknowledged what was in flight',
    publisher: Hopes,
    caughtBy: { [unanswered]: /unacknowledged: /, [goesAway]: /is missing|is stored where/ },
  },
  {
    mutant: 'takes for acknowledged whatever was sent',
    publisher: HopesSilently,
    caughtBy: {
      [away]: /unacknowledged: none; expected: /,
      'has everything in the destination, in order, though the connection is cut twice in mid-publish':
        /is missing|is stored where/,
    },
  },
  {
    mutant: 'waits for ever for an answer that was lost',
    publisher: WaitsForEver,
    endless: true,
    caughtBy: { [unanswered]: /publish goes on/ },
  },
  {
    mutant: 'takes an outage for a refusal',
    publisher: TakesOutageForRefusal,
    caughtBy: { [away]: /does not say that the destination is unavailable/ },
  },
  {
    mutant: 'throws out of publish',
    publisher: Throws,
    caughtBy: { [away]: /publish must not throw: .*the broker is down/s },
  },
  {
    mutant: 'stays as it was when the destination is back',
    publisher: StaysTroubled,
    endless: true,
    caughtBy: { [away]: /preparing, which fails with lost, goes on/ },
  },
  {
    mutant: 'finds a destination fit that is away',
    publisher: PreparesRegardless,
    caughtBy: {
      'rejects prepare with ERR_OUTBOX_UNAVAILABLE during an outage, and not after it':
        /prepare must reject with ERR_OUTBOX_UNAVAILABLE, and rejects with (nothing|Error: the broker is down)/,
    },
  },
  {
    mutant: 'rejects with an error of its own',
    publisher: RejectsWithAnything,
    caughtBy: {
      'rejects prepare with ERR_OUTBOX_UNAVAILABLE during an outage, and not after it':
        /prepare must reject with ERR_OUTBOX_UNAVAILABLE, and rejects with (nothing|Error: the broker is down)/,
    },
  },
  {
    mutant: 'sends as many events as there are',
    publisher: UnboundedEvents,
    caughtBy: { 'has no more events in flight than it says': /50 events were in flight/ },
  },
  {
    mutant: 'sends as many bytes as there are',
    publisher: UnboundedBytes,
    caughtBy: { 'has no more bytes in flight than it says': /bytes were in flight/ },
  },
]
