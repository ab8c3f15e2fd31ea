/** For tests of applications that use drizzle-outbox, and of publishers. */
export { type MemoryPublisher, memoryPublisher } from '../publishers/memory.js'
export type {
  DestinationFaults,
  PublisherFeatures,
  PublisherHarness,
  StoredEvent,
} from './conformance/harness.js'
export {
  type ConformanceCase,
  publisherConformance,
  type TestFunction,
  testPublisher,
} from './conformance/publisher-conformance.js'
export { recordedEvents } from './recorded-events.js'
