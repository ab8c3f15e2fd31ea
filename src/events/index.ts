/** Event definitions without a database: for consumers, and for packages that share events between services. */
export {
  type AnyOutboxError,
  type EventIssue,
  isOutboxError,
  OutboxError,
  type OutboxErrorCode,
  type OutboxErrorDetails,
} from '../errors.js'
export { type DecodedEvent, decodeEvent } from './decode-event.js'
export {
  defineEvents,
  type EventInput,
  type EventName,
  type EventOf,
  type Events,
} from './define-events.js'
export { type AnyEvents, type EventSpec, event } from './definition.js'
export type { DomainEvent, RecordedEvent } from './domain-event.js'
export type { Metadata } from './metadata.js'
