/** One thing that is wrong with an event's data: where, and why. */
export interface EventIssue {
  readonly message: string
  readonly path: readonly (string | number)[]
}

/** What each error carries besides its message, by code. */
export interface OutboxErrorDetails {
  /** The data does not match the event's schema. `issues` is not enumerable: what a schema says may repeat the data. */
  ERR_OUTBOX_EVENT_INVALID: { readonly type: string; readonly issues: readonly EventIssue[] }
  /** The data matches its schema but cannot be stored as JSON without changing it. */
  ERR_OUTBOX_EVENT_NOT_JSON: { readonly type: string; readonly issues: readonly EventIssue[] }
  /** The encoded data is larger than the definition's `maxEventBytes`. */
  ERR_OUTBOX_EVENT_TOO_LARGE: {
    readonly type: string
    readonly bytes: number
    readonly maxEventBytes: number
  }
  /** No event of that name or type is defined. */
  ERR_OUTBOX_EVENT_UNKNOWN: { readonly type: string }
  /** The schema validates asynchronously; recording an event is synchronous. */
  ERR_OUTBOX_SCHEMA_ASYNC: { readonly type: string }
  /** `defineEvents` or `event` was given a name, version or type that cannot be used. */
  ERR_OUTBOX_DEFINITION_INVALID: { readonly name: string }
  /** An aggregate id that no subject, header or key can carry. */
  ERR_OUTBOX_AGGREGATE_ID_INVALID: { readonly aggregateType: string }
  /** The aggregate is ahead of the database, because a savepoint was rolled back: load it again. */
  ERR_OUTBOX_AGGREGATE_STALE: { readonly aggregateType: string; readonly aggregateId: string }
  /** The aggregate was added to another transaction that has not ended. */
  ERR_OUTBOX_AGGREGATE_IN_USE: Record<never, never>
  /** The event was added to another transaction that has not ended. */
  ERR_OUTBOX_EVENT_IN_USE: { readonly eventId: string }
  /** The event was committed by an earlier transaction. */
  ERR_OUTBOX_EVENT_STORED: { readonly eventId: string }
  /** Metadata that CloudEvents cannot carry, or more of it than a broker takes. */
  ERR_OUTBOX_METADATA_INVALID: { readonly name: string }
  /** Somebody else recorded events of this aggregate since it was loaded. */
  ERR_OUTBOX_CONCURRENCY: {
    readonly aggregateType: string
    readonly aggregateId: string
    readonly expectedVersion: number
    readonly actualVersion: number
  }
  /** The connection died inside the transaction: the server has rolled it back, and it may be tried again. */
  ERR_OUTBOX_TRANSACTION_LOST: Record<never, never>
  /** The connection died while COMMIT ran: `resolveCommit` finds out how it ended. */
  ERR_OUTBOX_COMMIT_UNKNOWN: { readonly transactionId: string; readonly eventId: string }
  /** `tx`, or its `outbox`, was used after the transaction had ended. */
  ERR_OUTBOX_TRANSACTION_ENDED: Record<never, never>
  /** Two savepoints of one transaction were open at the same time, not one inside the other. */
  ERR_OUTBOX_SAVEPOINTS_OVERLAP: Record<never, never>
  /** The outbox tables are not in this database. */
  ERR_OUTBOX_TABLES_MISSING: Record<never, never>
  /** The outbox tables were made by your own migrations, which must go on making them. */
  ERR_OUTBOX_TABLES_NOT_OURS: Record<never, never>
  /** The outbox tables are those of an earlier, or of a later, version of this library. */
  ERR_OUTBOX_SCHEMA_VERSION: { readonly found: number; readonly expected: number }
  /** This database cannot keep the relay's promises. */
  ERR_OUTBOX_DATABASE_UNFIT: {
    readonly reason:
      | 'replica'
      | 'row-level-security'
      | 'sequence-cache'
      | 'cluster-changed'
      | 'positions-taken'
  }
  /** A statement of the relay failed; `cause` is what the driver threw. */
  ERR_OUTBOX_DATABASE_FAILED: { readonly sqlState?: string }
  /** A statement of the relay got no answer in time. */
  ERR_OUTBOX_DATABASE_TIMEOUT: { readonly timeoutMs: number }
  /** A notification that the relay sent to itself did not arrive: it listens in vain. */
  ERR_OUTBOX_NOTIFICATION_MISSED: { readonly timeoutMs: number }
  /** Another relay has taken over. */
  ERR_OUTBOX_LEASE_LOST: { readonly relay: string }
  /** Somebody holds the lease of this relay. */
  ERR_OUTBOX_RELAY_ACTIVE: { readonly relay: string; readonly owner: string }
  /** The relay was stopped before it was done. */
  ERR_OUTBOX_RELAY_STOPPED: { readonly relay: string }
  /** An option that cannot be used. */
  ERR_OUTBOX_OPTION_INVALID: { readonly option: string }
  /** The destination cannot take events at the moment; nothing is held against any event. */
  ERR_OUTBOX_UNAVAILABLE: { readonly brokerCode?: number }
  /** The broker will not take this event. */
  ERR_OUTBOX_EVENT_REFUSED: { readonly eventId: string; readonly brokerCode?: number }
  /** Relays ended, one after the other, while they published this event. */
  ERR_OUTBOX_RELAY_DIED: { readonly eventId: string }
  /** A publisher broke its promise: it threw what is none of these errors, or gave no reason. */
  ERR_OUTBOX_PUBLISHER_FAILED: { readonly publisher: string }
  /** Somebody else has written where only this relay may: another relay of its name, or a stranger. */
  ERR_OUTBOX_FENCED: { readonly stream: string; readonly brokerCode?: number }
  /** The destination does not have any more what it had acknowledged. */
  ERR_OUTBOX_DESTINATION_LOST: { readonly stream: string; readonly reason: 'created anew' | 'shorter' }
  /** The destination keeps a strict order, and cannot take events again that it has. */
  ERR_OUTBOX_REPLAY_REFUSED: { readonly stream: string }
  /** The stream's configuration breaks what the relay promises. */
  ERR_OUTBOX_STREAM_UNFIT: { readonly stream: string; readonly findings: readonly string[] }
}

export type OutboxErrorCode = keyof OutboxErrorDetails

/**
 * Every error that drizzle-outbox makes. `code` says which one, for good; the message is for people and may change.
 *
 * @example
 * ```ts
 * if (isOutboxError(error) && error.code === 'ERR_OUTBOX_CONCURRENCY') {
 *   console.log(`expected version ${error.details.expectedVersion}`)
 * }
 * ```
 */
export class OutboxError<C extends OutboxErrorCode = OutboxErrorCode> extends Error {
  override readonly name = 'OutboxError'
  readonly code: C
  readonly details: OutboxErrorDetails[C]

  constructor(code: C, message: string, details: OutboxErrorDetails[C], options?: ErrorOptions) {
    super(message, options)
    this.code = code
    this.details = details
  }
}

/** Every error as one union, so that `switch (error.code)` narrows `error.details`. */
export type AnyOutboxError = { [C in OutboxErrorCode]: OutboxError<C> }[OutboxErrorCode]

/** Whether a caught value is one of ours. By its code, not `instanceof`: two copies of a package may be loaded. */
export function isOutboxError(error: unknown): error is AnyOutboxError {
  return (
    error instanceof Error &&
    error.name === 'OutboxError' &&
    'code' in error &&
    String(error.code).startsWith('ERR_OUTBOX_')
  )
}

/** An option's value is not allowed. */
export function invalidOption(option: string, message: string): OutboxError<'ERR_OUTBOX_OPTION_INVALID'> {
  return new OutboxError('ERR_OUTBOX_OPTION_INVALID', `${option}: ${message}`, { option })
}

export function transactionLost(cause?: Error) {
  return new OutboxError(
    'ERR_OUTBOX_TRANSACTION_LOST',
    'the connection was lost before COMMIT: the server has rolled the transaction back, and no event was stored',
    {},
    cause === undefined ? {} : { cause },
  )
}

export function transactionEnded() {
  return new OutboxError(
    'ERR_OUTBOX_TRANSACTION_ENDED',
    'this transaction has ended; await everything that it does inside its callback',
    {},
  )
}
