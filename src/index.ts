/** drizzle-outbox: events stored with the state change, published afterwards. */
export type { Aggregate } from './aggregate/aggregate.js'
export { AggregateRoot } from './aggregate/aggregate-root.js'
export { createRecorder, type Recorder } from './aggregate/recorder.js'
export { cloudEventAttributes } from './cloudevents/attributes.js'
export type { CloudEvent } from './cloudevents/cloud-event.js'
export { encodeToken } from './cloudevents/percent-encoding.js'
export {
  type AnyOutboxError,
  type EventIssue,
  isOutboxError,
  OutboxError,
  type OutboxErrorCode,
  type OutboxErrorDetails,
} from './errors.js'
export { sqlState } from './event-log/database.js'
export type { DeadLetter, DeadLetterFilter, DeadLetterState } from './event-log/find-dead-letters.js'
export type { LogSize, RelayProgress } from './event-log/log-statistics.js'
export { type MigratableDatabase, migrateOutbox } from './event-log/migrate.js'
export type { ReplayRange, ReplayStart } from './event-log/replay.js'
export type { TableOptions } from './event-log/tables.js'
export { type DecodedEvent, decodeEvent } from './events/decode-event.js'
export {
  defineEvents,
  type EventInput,
  type EventName,
  type EventOf,
  type Events,
} from './events/define-events.js'
export { type AnyEvents, type EventSpec, event } from './events/definition.js'
export type { DomainEvent, RecordedEvent } from './events/domain-event.js'
export type { Metadata } from './events/metadata.js'
export {
  type HealthServer,
  type HealthServerOptions,
  type MetricsSource,
  startHealthServer,
} from './observability/health-server.js'
export { type Logger, logRelay } from './observability/log-relay.js'
export type { RelayHealthOptions } from './observability/relay-health.js'
export { traceRelay } from './observability/trace-relay.js'
export { type DeadLetterChoice, type DeadLetterOperations, deadLetters } from './operations/dead-letters.js'
export { forgetRelay } from './operations/forget-relay.js'
export {
  type OutboxStatus,
  type OutboxStatusOptions,
  type RelayStatistics,
  readOutboxStatus,
} from './operations/outbox-status.js'
export { type PruneOptions, type PruneProgress, pruneOutbox } from './operations/prune-outbox.js'
export { type RebaseOptions, rebaseOutbox } from './operations/rebase-outbox.js'
export { cancelReplay, type ReplayOptions, replay } from './operations/replay.js'
export { type MemoryPublisher, memoryPublisher } from './publishers/memory.js'
export type {
  DiagnoseContext,
  Finding,
  Publisher,
  PublisherContext,
  PublishOptions,
  PublishOutcome,
  Recovered,
  RecoverFrom,
} from './publishers/publisher.js'
export { createRelay, type Relay } from './relay/relay.js'
export type { RelayEvent, RelayEventOf, RelayEventType } from './relay/relay-events.js'
export type { RelayOptions } from './relay/relay-options.js'
export type { RelayState, RelayStatus } from './relay/relay-status.js'
export type {
  AnyOutboxDb,
  HasOutbox,
  Outbox,
  OutboxDb,
  OutboxOptions,
  OutboxTx,
  RawDb,
  TransactionOutbox,
  TxOf,
} from './transaction/outbox-db.js'
export { type ResolveCommitOptions, resolveCommit } from './transaction/resolve-commit.js'
export { withOutbox } from './transaction/with-outbox.js'
