import type { OutboxError } from '../errors.js'
import type { RecordedEvent } from '../events/domain-event.js'

/**
 * Hands events to a broker, page by page, in the order of the log.
 *
 * What a publisher promises, and the relay builds on:
 * - An aggregate's event is sent only after the one before it is acknowledged, or so that it cannot be stored without it.
 * - An event's id is the same on every attempt, and is what the broker deduplicates by where it can.
 * - Acknowledged means that the broker answered for this very event.
 *
 * `publisherConformance` of `drizzle-outbox/testing` tests all of it.
 */
export interface Publisher {
  /** For status and errors, such as `jetstream SHOP`. */
  readonly name: string
  /** How long after it was sent an event may still be stored without an acknowledgement. Milliseconds. */
  readonly publishTimeoutMs: number
  /**
   * Calls of `publish` that the relay may have open at a time, so that the next page flows while the last events of the
   * one before are acknowledged. With more than one, the promises hold across them: whatever an earlier call leaves
   * unacknowledged, none of its aggregate's later events is sent before that event is handed over again, or a call says
   * `outcomesSeen`. The call with those may come when the earlier one is over, and nobody has seen its outcome yet.
   *
   * @default 1
   */
  readonly maxOpenPages?: number
  /**
   * Checks the destination, before the first event and after every outage.
   *
   * @throws `ERR_OUTBOX_UNAVAILABLE` when it cannot be reached: the relay tries again. Any other error is a
   * configuration that would break a promise: `relay.start()` rejects with it.
   */
  prepare(context: PublisherContext): Promise<void>
  /**
   * Finds out what the destination has of events that nobody saw acknowledged: when a relay begins to lead, and after
   * every outage. Left out by publishers that cannot look.
   *
   * @throws like `prepare`; `ERR_OUTBOX_DESTINATION_LOST` when the destination has lost what it had acknowledged;
   * `ERR_OUTBOX_REPLAY_REFUSED` when it cannot take events again.
   */
  recover?(from: RecoverFrom): Promise<Recovered>
  /**
   * Publishes a page of the log. Resolves when every event is settled: acknowledged, or known not to be. Does not
   * reject for what a broker does.
   */
  publish(events: readonly RecordedEvent[], options: PublishOptions): Promise<PublishOutcome>
  /**
   * Asks the destination for a sign of life, beside everything else that goes on. Left out by publishers that cannot ask.
   *
   * @throws `ERR_OUTBOX_UNAVAILABLE` when events could not be published at the moment.
   */
  ping?(): Promise<void>
  /**
   * Calls `listener` whenever the destination can be reached again that could not: a relay that has paused tries at once,
   * and does not wait for the end of its pause. Left out by publishers that hear of nothing.
   *
   * @returns a function that ends it.
   */
  onAvailable?(listener: () => void): () => void
  /**
   * For `drizzle-outbox doctor`: everything about the destination that matters for the promises, in good order or not.
   * Changes nothing. Left out by publishers that have nothing to say.
   *
   * @throws `ERR_OUTBOX_UNAVAILABLE`
   */
  diagnose?(context: DiagnoseContext): Promise<readonly Finding[]>
  /** For `relay.status()`: how it publishes at the moment. */
  status?(): Readonly<Record<string, unknown>>
  /** Frees what the publisher itself has opened. */
  close(): Promise<void>
}

/** One thing that was looked at. */
export interface Finding {
  /** What it is, in few words: `duplicate window`. */
  readonly check: string
  /** `error`: promises are broken, or the relay does not start. `warning`: it may become one. */
  readonly level: 'ok' | 'warning' | 'error'
  /** What was found, and what that means. */
  readonly message: string
  /** What to do, as it is typed where it can be. Left out where nothing is to be done. */
  readonly remedy?: string
}

export interface PublisherContext {
  /** For so long a relay that died may hold its lease, and so its successor may resend. Milliseconds. */
  readonly leaseMs: number
  readonly signal: AbortSignal
}

export interface DiagnoseContext extends PublisherContext {
  /**
   * The `state` that was stored last with a checkpoint: what the destination has lost since is a finding. Undefined: none
   * ever was, or it does not matter any more.
   */
  readonly state?: string | undefined
}

export interface RecoverFrom {
  /** The `state` that was stored last with a checkpoint. Undefined: none ever was. */
  readonly state: string | undefined
  /** Whether events after that checkpoint may have been handed over. */
  readonly unsettled: boolean
  /**
   * An operator has asked for events to be published again, or that has begun already. What the destination has lost is
   * no obstacle then.
   */
  readonly replay?: 'asked' | 'begun' | undefined
  readonly signal: AbortSignal
}

export interface Recovered {
  /** As in `PublishOutcome`. */
  readonly state: string
  /** Message ids of the events that the destination has, of those handed over after `from.state`. */
  readonly stored: ReadonlySet<string>
}

export interface PublishOptions {
  /** When it aborts, nothing more is sent, and what is in flight counts as unacknowledged. */
  readonly signal: AbortSignal
  /** Asked before events are sent: false once the relay cannot be sure any more that it holds its lease. */
  readonly maySend: () => boolean
  /** None of these events was ever handed over before. */
  readonly fresh: boolean
  /**
   * The outcome of every earlier call was seen, and the relay itself sees to it that no event goes before one that it
   * follows. Nothing is held back any more for the sake of earlier calls.
   */
  readonly outcomesSeen: boolean
}

export interface PublishOutcome {
  /** In the order given. Empty: the broker has them all. */
  readonly unacknowledged: readonly RecordedEvent[]
  /** How many acknowledgements said that the event was there already. */
  readonly duplicates: number
  /** Why the destination took no more. Counts against no event. */
  readonly unavailable?: OutboxError<'ERR_OUTBOX_UNAVAILABLE'>
  /** Somebody else has written where only this relay may: it looks whether it still leads, and recovers. */
  readonly fenced?: OutboxError<'ERR_OUTBOX_FENCED'>
  /** What the broker refused for the event's own sake. It is unacknowledged, as are its aggregate's later events. */
  readonly refused: readonly OutboxError<'ERR_OUTBOX_EVENT_REFUSED'>[]
  /**
   * From here `recover` finds everything that is handed over later. Stored when the page's checkpoint is. Given by
   * publishers that recover, at least with a page that is acknowledged as a whole.
   */
  readonly state?: string
}
