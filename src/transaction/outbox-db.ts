import type { Aggregate } from '../aggregate/aggregate.js'
import type { EventLog } from '../event-log/database.js'
import type { TableOptions } from '../event-log/tables.js'
import type { AnyEvents } from '../events/definition.js'
import type { DomainEvent } from '../events/domain-event.js'
import type { Metadata } from '../events/metadata.js'
import type { CommitSignal } from './commit-signal.js'
import type { Listen } from './drivers/listen.js'

/** What a transaction can do with events: `tx.outbox`. */
export interface TransactionOutbox {
  /**
   * Enlists an aggregate: whatever events it holds when the transaction commits are stored with it, those that it
   * records after this call included.
   *
   * @param options `expectedVersion` in place of the aggregate's own `version`.
   * @throws `ERR_OUTBOX_AGGREGATE_STALE`, `ERR_OUTBOX_AGGREGATE_IN_USE`, `ERR_OUTBOX_TRANSACTION_ENDED`,
   * `ERR_OUTBOX_TRANSACTION_LOST`, `ERR_OUTBOX_OPTION_INVALID`.
   * At the end of the transaction: `ERR_OUTBOX_CONCURRENCY`, `ERR_OUTBOX_TRANSACTION_LOST`.
   */
  add(aggregate: Aggregate, options?: { readonly expectedVersion?: number | undefined }): void
  /**
   * Stores events that no aggregate object holds, such as the result of a decide function.
   *
   * @throws `ERR_OUTBOX_EVENT_STORED`, `ERR_OUTBOX_EVENT_IN_USE`, `ERR_OUTBOX_EVENT_INVALID`, and as above.
   */
  add(...events: readonly DomainEvent[]): void
  /** Adds to the metadata of every event of the transaction. An event's own metadata wins. */
  metadata(metadata: Metadata): void
  /** How many events the aggregate has in the log, as this transaction sees it. 0: none. */
  versionOf(events: AnyEvents, aggregateId: string): Promise<number>
  /**
   * Runs once COMMIT has returned, before `transaction` resolves; not after a rollback. An error in it changes nothing
   * about the transaction and goes to `onAfterCommitError`.
   */
  afterCommit(run: () => void | Promise<void>): void
}

/** Anything with `tx.outbox`: the type for a repository that works with every driver. */
export interface HasOutbox {
  readonly outbox: TransactionOutbox
}

export interface OutboxOptions {
  /**
   * The CloudEvents `source` of every event: a URI reference (RFC 3986) for this application, such as `/shop` or
   * `https://acme.com/shop`, of up to 2048 characters. Together with an event's id it identifies the event, so keep it.
   */
  readonly source: string
  /** Metadata for every event of a transaction, asked for once as it commits; the place for a request's context. */
  readonly metadata?: () => Metadata
  /** The outbox tables, where they have another schema or prefix. */
  readonly tables?: TableOptions
  /**
   * Sends a NOTIFY after commits, for relays with `listen` in other processes. Set it where no relay runs on this `db`
   * object, which a commit wakes anyway. One notification tells of all commits of some milliseconds, outside of their
   * transactions, on a connection of the pool; one that fails is forgotten, because the relay polls as well.
   *
   * @default false
   */
  readonly notify?: boolean
  /** Errors of `afterCommit` functions. @default `process.emitWarning`, without their messages */
  readonly onAfterCommitError?: (error: unknown) => void
}

/** What a database with an outbox carries for the relay. */
export interface Outbox {
  readonly source: string
  readonly log: EventLog
  readonly commits: CommitSignal
  /** Undefined where the driver cannot. */
  readonly listen: Listen | undefined
}

/** Any Drizzle database with asynchronous transactions, by structure: its class has another name in each line. */
export interface RawDb {
  // biome-ignore lint/suspicious/noExplicitAny: the driver's own transaction and config types are inferred from it
  transaction(run: (tx: any) => Promise<any>, config?: any): Promise<any>
}

type RawTx<DB> = DB extends {
  // biome-ignore lint/suspicious/noExplicitAny: only the transaction's type is inferred
  transaction: (run: (tx: infer TX, ...rest: any[]) => any, ...rest: any[]) => any
}
  ? TX
  : never
// biome-ignore lint/suspicious/noExplicitAny: only the config's type is inferred
type ConfigOf<DB> = DB extends { transaction: (run: any, config?: infer C) => any } ? C : never
type Replace<T, U> = { [K in keyof T as K extends keyof U ? never : K]: T[K] } & U

/** The driver's own transaction with `outbox`; savepoints through `transaction` as always. */
export type OutboxTx<TX> = HasOutbox & {
  transaction<T>(run: (tx: OutboxTx<TX>) => Promise<T>): Promise<T>
} & TX

export interface AnyOutboxDb extends RawDb {
  readonly '~drizzle-outbox': Outbox
}

/** The driver's own database with `transaction` replaced (not overloaded, so that `Parameters<…>` of it works). */
export type OutboxDb<DB extends RawDb> = Replace<
  DB,
  {
    readonly '~drizzle-outbox': Outbox
    transaction<T>(run: (tx: OutboxTx<RawTx<DB>>) => Promise<T>, config?: ConfigOf<DB>): Promise<T>
  }
>

/** The transaction type of a database: `type Tx = TxOf<typeof db>`. */
export type TxOf<DB extends AnyOutboxDb> = RawTx<DB>
