import type { RecordedEvent } from '../../events/domain-event.js'
import type { PublishOptions, PublishOutcome } from '../publisher.js'
import type { Ingested } from './fast-ingest.js'
import type { Pipeline } from './pipeline.js'

type Publish = (events: readonly RecordedEvent[], options: PublishOptions) => Promise<PublishOutcome>

export interface HotPagesOptions {
  readonly pipeline: Pipeline
  readonly ingest: (events: readonly RecordedEvent[], options: PublishOptions) => Promise<Ingested>
  /** Pages of so many aggregates or fewer are hot. */
  readonly maxAggregates: number
  readonly onMode: (mode: 'fast ingest' | 'pipelined') => void
}

/**
 * Pages of few aggregates go as a batch, because with one event of each in flight little would be in flight. Pages of
 * the two kinds wait for each other.
 */
export class HotPages {
  readonly #options: HotPagesOptions
  /** Resolves when everything that was handed over before is settled. */
  #before: Promise<unknown> = Promise.resolve()
  #open = 0
  #hot = false

  constructor(options: HotPagesOptions) {
    this.#options = options
  }

  readonly publish: Publish = (events, options) => {
    const { pipeline, maxAggregates } = this.#options
    const hot = options.fresh && isHot(events, maxAggregates)
    const alone = this.#open > 0 && (hot || this.#hot)
    const run = () =>
      hot && pipeline.intact ? this.#ingest(events, options) : pipeline.publish(events, options)
    const outcome = alone ? this.#before.then(run) : run()
    this.#hot = hot
    this.#options.onMode(hot ? 'fast ingest' : 'pipelined')
    this.#open++
    const settled = outcome.then(() => {
      this.#open--
    })
    this.#before = Promise.all([this.#before, settled])
    return outcome
  }

  async #ingest(events: readonly RecordedEvent[], options: PublishOptions): Promise<PublishOutcome> {
    const { pipeline, ingest } = this.#options
    const { count, lastSequence, unavailable } = await ingest(events, options)
    pipeline.storedBeside(lastSequence)
    if (unavailable !== undefined) pipeline.halt({ unavailable })
    // What the batch has left goes one by one, where each answer is an event's own.
    return pipeline.publish(events.slice(count), options)
  }
}

/** Whether events are so many more than their aggregates that it pays. */
function isHot(events: readonly RecordedEvent[], maxAggregates: number): boolean {
  if (events.length < MIN_EVENTS) return false
  const limit = Math.min(maxAggregates, events.length / MIN_EVENTS_EACH)
  const aggregates = new Set<string>()
  return events.every(({ aggregateId }) => aggregates.add(aggregateId).size <= limit)
}

const MIN_EVENTS = 16
const MIN_EVENTS_EACH = 4
