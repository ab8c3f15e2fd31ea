/** Publishers that are known to be wrong: each has one module of the product's in another form. */
import type { RecordedEvent } from 'drizzle-outbox'
import type { jetStreamPublisher } from 'drizzle-outbox/jetstream'
import { vi } from 'vitest'
import type * as NatsHeadersModule from '../../../src/cloudevents/nats-headers.js'
import type { PublishError } from '../../../src/publishers/jetstream/broker-errors.js'
import type * as LanesModule from '../../../src/publishers/jetstream/lanes.js'
import type * as OpenPageModule from '../../../src/publishers/jetstream/open-page.js'
import type { Entry } from '../../../src/publishers/jetstream/open-page.js'
import type * as PipelineModule from '../../../src/publishers/jetstream/pipeline.js'
import type { Order } from '../../../src/publishers/jetstream/pipeline.js'
import type { Ack } from '../../../src/publishers/jetstream/pub-ack.js'
import type * as TailModule from '../../../src/publishers/jetstream/tail.js'

type Make = typeof jetStreamPublisher

/** The product with other exports of one of its modules. */
async function mutate<M extends object>(path: string, change: (original: M) => Partial<M>): Promise<Make> {
  vi.resetModules()
  vi.doMock(path, async (importOriginal) => {
    const original = await importOriginal<M>()
    return { ...original, ...change(original) }
  })
  const mutant = await import('drizzle-outbox/jetstream')
  vi.doUnmock(path)
  return mutant.jetStreamPublisher
}

const JETSTREAM = '../../../src/publishers/jetstream'

export const twoInFlightPerAggregate = () =>
  mutate<typeof LanesModule>(`${JETSTREAM}/lanes.js`, () => ({
    Lanes: TwoInFlight as unknown as typeof LanesModule.Lanes,
  }))

class TwoInFlight implements Order {
  readonly #waiting: Entry[] = []
  readonly #inFlight = new Map<string, number>()
  readonly intact = true

  forgive(): void {}

  add(entry: Entry): boolean {
    this.#waiting.push(entry)
    return true
  }

  next(): Entry | undefined {
    const index = this.#waiting.findIndex(({ event }) => (this.#inFlight.get(event.aggregateId) ?? 0) < 2)
    const [entry] = index === -1 ? [] : this.#waiting.splice(index, 1)
    if (entry) this.#count(entry, 1)
    return entry
  }

  acknowledged(entry: Entry): void {
    this.#count(entry, -1)
  }

  refused(entry: Entry): void {
    this.#count(entry, -1)
  }

  misplaced(): boolean {
    return false
  }

  landed(): void {}

  #count({ event }: Entry, by: number): void {
    this.#inFlight.set(event.aggregateId, (this.#inFlight.get(event.aggregateId) ?? 0) + by)
  }
}

/** Takes some answers that are none for an acknowledgement. */
function mutateAnswers(isTaken: (error: PublishError) => boolean, duplicate: boolean): Promise<Make> {
  return mutate<typeof PipelineModule>(`${JETSTREAM}/pipeline.js`, ({ Pipeline }) => ({
    Pipeline: class extends Pipeline {
      override settle(entry: Entry, result: Ack | PublishError): void {
        const taken = 'code' in result && isTaken(result)
        super.settle(entry, taken ? { seq: entry.page.after + 1, duplicate } : result)
      }
    },
  }))
}

export const acceptsSequenceZero = () =>
  mutateAnswers(({ message }) => /^the acknowledgement does not say/.test(message), false)

/** A stream that does not end as expected counts as one that has the event. */
export const takesMisplacedForStored = () => mutateAnswers(({ code }) => code === 'ERR_OUTBOX_FENCED', true)

function mutateHeaders(change: (event: RecordedEvent, headers: string) => string): Promise<Make> {
  return mutate<typeof NatsHeadersModule>('../../../src/cloudevents/nats-headers.js', ({ NatsHeaders }) => ({
    NatsHeaders: class extends NatsHeaders {
      override encode(event: RecordedEvent, headers: string) {
        return super.encode(event, change(event, headers))
      }
    },
  }))
}

export const expectsNoStream = () =>
  mutateHeaders((_, headers) => headers.replace(/Nats-Expected-Stream: .*\r\n/, ''))

export const expectsNoSequence = () =>
  mutateHeaders((_, headers) => headers.replace(/Nats-Expected-Last-Sequence: .*\r\n/, ''))

export const resendsUnderNewId = () => {
  const attempts = new Map<string, number>()
  return mutateHeaders(({ id }, headers) => {
    const attempt = (attempts.get(id) ?? 0) + 1
    attempts.set(id, attempt)
    return attempt === 1 ? headers : headers.replace(id, `${id}-${attempt}`)
  })
}

export const readsNoTail = () =>
  mutate<typeof TailModule>(`${JETSTREAM}/tail.js`, () => ({ readTail: async () => new Set<string>() }))

/** The checkpoint of a page says where the stream ends then, and not where the next page began. */
export const checkpointsItsEnd = () =>
  mutate<typeof OpenPageModule>(`${JETSTREAM}/open-page.js`, ({ OpenPage }) => ({
    OpenPage: class extends OpenPage {
      constructor(...page: ConstructorParameters<typeof OpenPage>) {
        super(...page)
        Object.defineProperty(this, 'next', { get: () => undefined, set: () => {} })
      }
    },
  }))
