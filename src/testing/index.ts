/** For tests of applications that use drizzle-outbox. */
export { type MemoryPublisher, memoryPublisher } from '../publishers/memory.js'
export { recordedEvents } from './recorded-events.js'
