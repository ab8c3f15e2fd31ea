/** A refusal is taken for something else. */
import type { RecordedEvent } from 'drizzle-outbox'
import type { Answer } from '../model-broker.js'
import { ModelPublisher, type OpenPage } from '../model-publisher.js'
import type { Mutant } from './mutant.js'

const refusesEvents =
  'refuses events, holds back what follows them in their aggregates, and stores all others'
const refusesNoMore = 'stores what it refused, and what it held back, in order once the cause is gone'

class DropsRefused extends ModelPublisher {
  protected override refused(event: RecordedEvent, page: OpenPage): boolean {
    page.acknowledged.add(event)
    return true
  }
}

class TakesRefusalForOutage extends ModelPublisher {
  protected override refused(event: RecordedEvent, page: OpenPage): boolean {
    return this.failed(new Error('refused'), event, page)
  }
}

class StopsAtRefusal extends ModelPublisher {
  protected override refused(event: RecordedEvent, page: OpenPage): boolean {
    this.giveUp({})
    return super.refused(event, page)
  }
}

class GoesOnAfterRefusal extends ModelPublisher {
  protected override refused(event: RecordedEvent, page: OpenPage): boolean {
    super.refused(event, page)
    return true
  }
}

class RefusesForEver extends ModelPublisher {
  readonly #ids = new Set<string>()

  protected override settle(event: RecordedEvent, answer: Answer, page: OpenPage): boolean {
    if (answer.is === 'refused') this.#ids.add(event.id)
    return this.#ids.has(event.id) ? this.refused(event, page) : super.settle(event, answer, page)
  }
}

class NeverForgives extends ModelPublisher {
  protected override forgive(): void {}
}

class LosesRoom extends ModelPublisher {
  #refused = 0

  protected override refused(event: RecordedEvent, page: OpenPage): boolean {
    this.#refused++
    return super.refused(event, page)
  }

  protected override hasRoom(events: number, bytes: number): boolean {
    return super.hasRoom(events + this.#refused / 10, bytes)
  }
}

export const refusalMutants: readonly Mutant[] = [
  {
    mutant: 'drops what is refused',
    publisher: DropsRefused,
    caughtBy: { [refusesEvents]: /refused does not name the events/ },
  },
  {
    mutant: 'takes a refusal for an outage',
    publisher: TakesRefusalForOutage,
    caughtBy: { [refusesEvents]: /a refusal is about an event/ },
  },
  {
    mutant: 'stops at a refusal',
    publisher: StopsAtRefusal,
    caughtBy: { [refusesEvents]: /refused does not name the events|unacknowledged: / },
  },
  {
    mutant: 'goes on with the aggregate of a refused event',
    publisher: GoesOnAfterRefusal,
    caughtBy: { [refusesEvents]: /was refused, and acknowledged/ },
  },
  {
    mutant: 'refuses for ever what was refused once',
    publisher: RefusesForEver,
    caughtBy: { [refusesNoMore]: /unacknowledged when nothing is refused/ },
  },
  {
    mutant: 'holds back what the relay has let go',
    publisher: NeverForgives,
    caughtBy: {
      'holds nothing back for a refused event once every outcome was seen':
        /when the refused one is put aside/,
    },
  },
  {
    mutant: 'loses room for events with each refusal',
    publisher: LosesRoom,
    endless: true,
    caughtBy: { 'goes on after 300 refusals': /publish goes on/ },
  },
]
