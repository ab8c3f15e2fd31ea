/** It does not know what the destination has, or who else is there. */
import type { PublishOutcome, RecordedEvent, Recovered, RecoverFrom } from 'drizzle-outbox'
import { ModelPublisher, type OpenPage } from '../model-publisher.js'
import type { Mutant } from './mutant.js'

const after = 'finds after a state what was stored since, and everything without one'

class LooksFromTheBeginning extends ModelPublisher {
  override recover(from: RecoverFrom): Promise<Recovered> {
    return super.recover({ ...from, state: undefined })
  }
}

class MissesTheFirst extends ModelPublisher {
  protected override stateOf(sequence: number): string {
    return super.stateOf(sequence + 1)
  }
}

class StateOfTheBeginning extends ModelPublisher {
  #beginning = ''

  override async prepare(): Promise<void> {
    await super.prepare()
    this.#beginning = this.stateOf(this.broker.stored.length)
  }

  protected override outcomeOf(events: readonly RecordedEvent[], page: OpenPage): PublishOutcome {
    return { ...super.outcomeOf(events, page), state: this.#beginning }
  }
}

/** And not of when the next page was handed over, which may be stored already. */
class StateOfTheEnd extends ModelPublisher {
  protected override outcomeOf(events: readonly RecordedEvent[], page: OpenPage): PublishOutcome {
    return { ...super.outcomeOf(events, page), state: this.stateOf(this.broker.stored.length) }
  }
}

class FindsItsOwn extends ModelPublisher {
  readonly #acknowledged = new Set<string>()

  protected override outcomeOf(events: readonly RecordedEvent[], page: OpenPage): PublishOutcome {
    for (const { id } of page.acknowledged) this.#acknowledged.add(id)
    return super.outcomeOf(events, page)
  }

  override async recover(from: RecoverFrom): Promise<Recovered> {
    const { state, stored } = await super.recover(from)
    return { state, stored: new Set([...stored].filter((id) => this.#acknowledged.has(id))) }
  }
}

class FindsNothingWhenItIsAway extends ModelPublisher {
  override async recover(from: RecoverFrom): Promise<Recovered> {
    return super.recover(from).catch(() => ({ state: from.state ?? '', stored: new Set<string>() }))
  }
}

class NoticesNoLoss extends ModelPublisher {
  override recover(from: RecoverFrom): Promise<Recovered> {
    const sequence = Number(from.state?.split(':')[1] ?? 0)
    return super.recover({ ...from, state: this.stateOf(sequence) })
  }
}

class IsNotFenced extends ModelPublisher {
  protected override expectedLast(): undefined {}
}

class LooksOnce extends ModelPublisher {
  #prepared = false

  override async prepare(): Promise<void> {
    if (!this.#prepared) await super.prepare()
    this.#prepared = true
  }
}

export const recoveryMutants: readonly Mutant[] = [
  {
    mutant: 'looks from the beginning',
    publisher: LooksFromTheBeginning,
    caughtBy: { [after]: /recover finds what was there before the state/ },
  },
  {
    mutant: 'gives states that are ahead',
    publisher: MissesTheFirst,
    caughtBy: { [after]: /recover does not find / },
  },
  {
    mutant: 'gives the state of when it was prepared',
    publisher: StateOfTheBeginning,
    caughtBy: {
      'goes on where another publisher was, five times in a row': /recover finds what was there before/,
    },
  },
  {
    mutant: 'gives the state of when a page was stored',
    publisher: StateOfTheEnd,
    caughtBy: {
      'finds after the state of each page whatever comes later, while other pages were open beside it':
        /recover does not find /,
    },
  },
  {
    mutant: 'finds only what it has seen acknowledged',
    publisher: FindsItsOwn,
    caughtBy: {
      'finds what was stored and never acknowledged, and does not need to publish it again':
        /recover does not find /,
    },
  },
  {
    mutant: 'finds nothing when the destination is away',
    publisher: FindsNothingWhenItIsAway,
    caughtBy: {
      'rejects recover with ERR_OUTBOX_UNAVAILABLE during an outage, and not after it':
        /recover must reject with ERR_OUTBOX_UNAVAILABLE, and rejects with nothing/,
    },
  },
  {
    mutant: 'notices no loss',
    publisher: NoticesNoLoss,
    caughtBy: {
      'rejects recover with ERR_OUTBOX_DESTINATION_LOST when what was acknowledged is gone':
        /recover must reject with ERR_OUTBOX_DESTINATION_LOST, and rejects with nothing/,
    },
  },
  {
    mutant: 'is not fenced',
    publisher: IsNotFenced,
    exclusive: true,
    caughtBy: {
      'is fenced when another publisher has overtaken it, stores nothing, and goes on once it has recovered':
        /./,
    },
  },
  {
    mutant: 'looks once who else is there',
    publisher: LooksOnce,
    endless: true,
    exclusive: true,
    caughtBy: { 'is not disturbed by what another publisher stores': /goes on/ },
  },
]
