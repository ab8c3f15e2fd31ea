/** It tells of the end of an outage at the wrong time, or the wrong ones; or does not know of an outage. */
import { ModelPublisher } from '../model-publisher.js'
import type { Mutant } from './mutant.js'

const tells = 'tells when the destination is available again, and nobody who has ended it, if it tells at all'

class NeverTells extends ModelPublisher {
  override onAvailable(): () => void {
    return () => {}
  }
}

class TellsOfTrouble extends ModelPublisher {
  #listener: (() => void) | undefined

  override onAvailable(listener: () => void): () => void {
    this.#listener = listener
    return super.onAvailable(listener)
  }

  protected override giveUp(trouble: Parameters<ModelPublisher['giveUp']>[0]): void {
    this.#listener?.()
    super.giveUp(trouble)
  }
}

class TellsForEver extends ModelPublisher {
  override onAvailable(listener: () => void): () => void {
    super.onAvailable(listener)
    return () => {}
  }
}

const answers =
  'answers a ping beside what it publishes, and rejects it with ERR_OUTBOX_UNAVAILABLE in an outage, if at all'

class AlwaysAnswers extends ModelPublisher {
  override async ping(): Promise<void> {}
}

class AnswersInItsOwnWords extends ModelPublisher {
  override async ping(): Promise<void> {
    await super.ping().catch(() => {
      throw new Error('the broker is down')
    })
  }
}

class NeverAnswersAgain extends ModelPublisher {
  #failed: Promise<void> | undefined

  override async ping(): Promise<void> {
    await this.#failed
    const pinging = super.ping()
    await pinging.catch(() => {
      this.#failed = pinging
    })
    return pinging
  }
}

export const availabilityMutants: readonly Mutant[] = [
  {
    mutant: 'never tells that its destination is available',
    publisher: NeverTells,
    endless: true,
    caughtBy: { [tells]: /an outage whose end it does not tell of/ },
  },
  {
    mutant: 'tells when an outage begins',
    publisher: TellsOfTrouble,
    caughtBy: { [tells]: /it tells in an outage/ },
  },
  {
    mutant: 'goes on telling when nobody listens any more',
    publisher: TellsForEver,
    caughtBy: { [tells]: /somebody who has ended it/ },
  },
  {
    mutant: 'answers a ping in its own name',
    publisher: AlwaysAnswers,
    caughtBy: { [answers]: /ping/ },
  },
  {
    mutant: 'throws what is none of our errors at a ping',
    publisher: AnswersInItsOwnWords,
    caughtBy: { [answers]: /ERR_OUTBOX_UNAVAILABLE/ },
  },
  {
    mutant: 'answers no ping after an outage',
    publisher: NeverAnswersAgain,
    caughtBy: { [answers]: /down|unavailable|ERR_OUTBOX/ },
  },
]
