import { type MemoryPublisher, memoryPublisher, type Publisher } from 'drizzle-outbox'
import type { PublisherHarness } from 'drizzle-outbox/testing'
import { MAX_BYTES, ModelBroker } from './model-broker.js'
import { inFlight, ModelPublisher } from './model-publisher.js'

export const memoryHarness: PublisherHarness<MemoryPublisher> = {
  open: memoryPublisher,
  publisher: (destination) => destination,
  read: ({ published, recorded }) =>
    published.map(({ data: _, ...attributes }, index) => {
      const { id, aggregateId, aggregateVersion, data } = recorded[index]!
      const texts = attributes as Record<string, string>
      return { id, aggregateId, aggregateVersion, data: Buffer.from(data), attributes: texts }
    }),
  features: { recovers: false, totalOrder: true },
}

export interface ModelHarnessOptions {
  readonly exclusive?: boolean
  readonly timeoutMs?: number
}

/** With every fault; the publisher is the model, or another one. */
export function modelHarness(
  publisher?: (broker: ModelBroker) => Publisher,
  { exclusive = false, timeoutMs = 30_000 }: ModelHarnessOptions = {},
): PublisherHarness<ModelBroker> {
  return {
    open: () => new ModelBroker(),
    publisher: publisher ?? ((broker) => new ModelPublisher(broker, { exclusive })),
    read: ModelBroker.read,
    faults: ModelBroker.faults,
    features: exclusive ? { fences: true, maxDataBytes: MAX_BYTES } : { inFlight, maxDataBytes: MAX_BYTES },
    timeoutMs,
  }
}
