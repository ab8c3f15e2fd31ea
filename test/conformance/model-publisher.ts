/**
 * The plainest publisher that keeps all promises. What it does in a method of its own, a mutant can do wrong.
 */
import {
  OutboxError,
  type Publisher,
  type PublishOptions,
  type PublishOutcome,
  type RecordedEvent,
  type Recovered,
  type RecoverFrom,
} from 'drizzle-outbox'
import type { Answer, ModelBroker } from './model-broker.js'

type Trouble = Pick<PublishOutcome, 'unavailable' | 'fenced'>

/** A call of `publish`. */
export interface OpenPage {
  readonly number: number
  readonly options: PublishOptions
  readonly acknowledged: Set<RecordedEvent>
  readonly refused: OutboxError<'ERR_OUTBOX_EVENT_REFUSED'>[]
  duplicates: number
  /** The broker's last sequence when the page after this one was handed over. */
  next?: number
}

export const inFlight = { events: 20, bytes: 300_000 }

export class ModelPublisher implements Publisher {
  readonly name: string = 'model'
  readonly publishTimeoutMs = 300
  readonly maxOpenPages = 2
  protected readonly broker: ModelBroker
  /** One event in flight, on condition that the broker ends with the one before. */
  readonly #exclusive: boolean
  /** Whether all events of an aggregate so far are stored. */
  readonly #lanes = new Map<string, Promise<boolean>>()
  /** The id of the refused event that an aggregate waits for. */
  readonly #refused = new Map<string, string>()
  readonly #pages = new Set<OpenPage>()
  readonly #waiting: (() => void)[] = []
  #trouble: Trouble | undefined
  #events = 0
  #bytes = 0
  #last = 0
  #count = 0

  constructor(broker: ModelBroker, { exclusive = false } = {}) {
    this.broker = broker
    this.#exclusive = exclusive
  }

  async prepare(): Promise<void> {
    await this.broker.ping().catch(toUnavailable)
    this.#trouble = undefined
    this.#last = this.broker.stored.length
  }

  async ping(): Promise<void> {
    await this.broker.ping().catch(toUnavailable)
  }

  async recover({ state = '0:0', unsettled }: RecoverFrom): Promise<Recovered> {
    const [incarnation, sequence] = state.split(':').map(Number) as [number, number]
    const found = await this.broker.idsAfter(sequence).catch(toUnavailable)
    if (state !== '0:0' && incarnation !== this.broker.incarnation)
      throw new OutboxError('ERR_OUTBOX_DESTINATION_LOST', 'another one', {
        stream: 'model',
        reason: 'created anew',
      })
    this.#last = sequence + found.length
    return { state: this.stateOf(this.#last), stored: new Set(unsettled ? found : []) }
  }

  protected stateOf(sequence: number): string {
    return `${this.broker.incarnation}:${sequence}`
  }

  async publish(events: readonly RecordedEvent[], options: PublishOptions): Promise<PublishOutcome> {
    if (options.outcomesSeen) this.forgive()
    for (const open of this.#pages) open.next ??= this.#last
    const page: OpenPage = {
      number: ++this.#count,
      options,
      acknowledged: new Set(),
      refused: [],
      duplicates: 0,
    }
    this.#pages.add(page)
    const settled = events.map((event) => {
      const lane = this.laneOf(event, page)
      if (this.#refused.get(lane) === event.id) this.#refused.delete(lane)
      const before = this.#lanes.get(lane) ?? Promise.resolve(!this.#refused.has(lane))
      const stored = before.then((complete) => (complete ? this.#send(event, page) : false))
      this.#lanes.set(lane, stored)
      return stored
    })
    await this.untilSettled(Promise.all(settled), options.signal)
    this.#pages.delete(page)
    if (this.#pages.size === 0) this.#lanes.clear()
    return this.outcomeOf(events, page)
  }

  protected forgive(): void {
    this.#refused.clear()
  }

  protected outcomeOf(events: readonly RecordedEvent[], page: OpenPage): PublishOutcome {
    return {
      unacknowledged: events.filter((event) => !page.acknowledged.has(event)),
      duplicates: page.duplicates,
      refused: [...page.refused],
      state: this.stateOf(page.next ?? this.#last),
      ...this.#trouble,
    }
  }

  protected untilSettled(settled: Promise<unknown>, signal: AbortSignal): Promise<unknown> {
    if (signal.aborted) return Promise.resolve()
    let abort = () => {}
    const aborted = new Promise<void>((resolve) => {
      abort = resolve
    })
    signal.addEventListener('abort', abort)
    return Promise.race([settled, aborted]).finally(() => signal.removeEventListener('abort', abort))
  }

  /** @returns whether it is stored. */
  async #send(event: RecordedEvent, page: OpenPage): Promise<boolean> {
    await this.#enter(event)
    try {
      if (this.#trouble !== undefined || !this.maySend(page)) return false
      const answer = await this.withinTimeout(this.broker.send(this.messageOf(event), this.expectedLast()))
      return this.settle(event, answer, page)
    } catch (error) {
      return this.failed(error as Error, event, page)
    } finally {
      this.#leave(event)
    }
  }

  protected expectedLast(): number | undefined {
    return this.#exclusive ? this.#last : undefined
  }

  protected failed(error: Error, _event: RecordedEvent, _page: OpenPage): boolean {
    this.giveUp({ unavailable: unavailable(error) })
    return false
  }

  /** Until it is prepared again. */
  protected giveUp(trouble: Trouble): void {
    this.#trouble ??= trouble
  }

  protected settle(event: RecordedEvent, answer: Answer, page: OpenPage): boolean {
    if (answer.is === 'refused') return this.refused(event, page)
    if (answer.is === 'misplaced') {
      this.giveUp({ fenced: new OutboxError('ERR_OUTBOX_FENCED', 'overtaken', { stream: 'model' }) })
      return false
    }
    if (!this.accepts(answer.sequence)) throw new Error('the answer does not say that it is stored')
    this.#last = Math.max(this.#last, answer.sequence)
    if (answer.duplicate) page.duplicates++
    page.acknowledged.add(event)
    return true
  }

  protected refused(event: RecordedEvent, page: OpenPage): boolean {
    const { id: eventId } = event
    this.#refused.set(this.laneOf(event, page), eventId)
    page.refused.push(new OutboxError('ERR_OUTBOX_EVENT_REFUSED', 'too large', { eventId }))
    return false
  }

  protected accepts(sequence: number): boolean {
    return sequence > 0
  }

  protected laneOf({ aggregateType, aggregateId }: RecordedEvent, _page: OpenPage): string {
    return JSON.stringify([aggregateType, aggregateId])
  }

  protected messageOf(event: RecordedEvent): RecordedEvent {
    return event
  }

  protected maySend({ options }: OpenPage): boolean {
    return !options.signal.aborted && options.maySend()
  }

  protected async withinTimeout(answer: Promise<Answer>): Promise<Answer> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error('no answer')), this.publishTimeoutMs)
    })
    return Promise.race([answer, late]).finally(() => clearTimeout(timer))
  }

  /** Waits for a place among those in flight. */
  async #enter({ data }: RecordedEvent): Promise<void> {
    while (!this.hasRoom(this.#events, this.#bytes))
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    this.#events++
    this.#bytes += data.length
  }

  protected hasRoom(events: number, bytes: number): boolean {
    return events < (this.#exclusive ? 1 : inFlight.events) && bytes < inFlight.bytes
  }

  #leave({ data }: RecordedEvent): void {
    this.#events--
    this.#bytes -= data.length
    this.#waiting.shift()?.()
  }

  onAvailable(listener: () => void): () => void {
    return this.broker.onBack(listener)
  }

  async close(): Promise<void> {
    this.giveUp({ unavailable: unavailable(new Error('the publisher was closed')) })
  }
}

export function unavailable({ message }: Error) {
  return new OutboxError('ERR_OUTBOX_UNAVAILABLE', message, {})
}

function toUnavailable(error: Error): never {
  throw unavailable(error)
}
