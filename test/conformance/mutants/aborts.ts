/** It does not stop when it must, or not in time. */
import type { PublishOptions, PublishOutcome, RecordedEvent } from 'drizzle-outbox'
import { ModelPublisher, type OpenPage } from '../model-publisher.js'
import type { Mutant } from './mutant.js'

class SendsWhenAborted extends ModelPublisher {
  protected override maySend({ options }: OpenPage): boolean {
    return options.maySend()
  }
}

class SendsWhenItMayNot extends ModelPublisher {
  protected override maySend({ options }: OpenPage): boolean {
    return !options.signal.aborted
  }
}

class AsksOnce extends ModelPublisher {
  readonly #allowed = new WeakMap<OpenPage, boolean>()

  protected override maySend(page: OpenPage): boolean {
    if (!this.#allowed.has(page)) this.#allowed.set(page, super.maySend(page))
    return this.#allowed.get(page) === true
  }
}

class WaitsWhenAborted extends ModelPublisher {
  protected override untilSettled(settled: Promise<unknown>): Promise<unknown> {
    return settled
  }
}

/** What could not be sent any more will be sent by another. */
class HandsOver extends ModelPublisher {
  protected override outcomeOf(events: readonly RecordedEvent[], page: OpenPage): PublishOutcome {
    const outcome = super.outcomeOf(events, page)
    return this.maySend(page) ? outcome : { ...outcome, unacknowledged: [] }
  }
}

/** Its outcome goes on changing when it was given. */
class CountsLate extends ModelPublisher {
  protected override outcomeOf(events: readonly RecordedEvent[], page: OpenPage): PublishOutcome {
    return {
      ...super.outcomeOf(events, page),
      get unacknowledged() {
        return events.filter((event) => !page.acknowledged.has(event))
      },
    }
  }
}

class Sulks extends ModelPublisher {
  #aborted = 0

  override async publish(events: readonly RecordedEvent[], options: PublishOptions): Promise<PublishOutcome> {
    if (options.signal.aborted) this.#aborted++
    return super.publish(events, options)
  }

  protected override hasRoom(events: number, bytes: number): boolean {
    return super.hasRoom(events + this.#aborted / 5, bytes)
  }
}

const inFlight =
  'gives up what is in flight when it is aborted, without waiting, and counts no answer that comes later'

export const abortMutants: readonly Mutant[] = [
  {
    mutant: 'sends when it is aborted',
    publisher: SendsWhenAborted,
    caughtBy: { 'sends nothing when its signal is aborted': /holds an event that was not published to it/ },
  },
  {
    mutant: 'sends when it may not',
    publisher: SendsWhenItMayNot,
    caughtBy: { 'sends nothing when it may not': /unacknowledged: none; expected: / },
  },
  {
    mutant: 'asks once for a page whether it may send',
    publisher: AsksOnce,
    caughtBy: {
      'sends no more of a page when acknowledgements come and it may not any longer': /60 events were sent/,
    },
  },
  {
    mutant: 'waits for what is in flight when it is aborted',
    publisher: WaitsWhenAborted,
    caughtBy: { [inFlight]: /goes on waiting for acknowledgements/ },
  },
  {
    mutant: 'takes for acknowledged what it could not send any more',
    publisher: HandsOver,
    caughtBy: {
      'knows what is acknowledged when it is aborted in mid-page': /is missing/,
      'knows what is acknowledged when in mid-page it may send no more': /is missing/,
    },
  },
  {
    mutant: 'counts answers that come late',
    publisher: CountsLate,
    caughtBy: { [inFlight]: /unacknowledged, when answers have come late/ },
  },
  {
    mutant: 'loses room with each call that is aborted',
    publisher: Sulks,
    endless: true,
    caughtBy: { 'goes on after 300 calls that were aborted or not allowed': /publish goes on/ },
  },
]
