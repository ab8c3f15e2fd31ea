import { type Pruned, pruneBatch } from '../event-log/retention.js'
import { safeError } from '../foreign-errors.js'
import type { RelayContext } from './relay-context.js'
import { sleep } from './sleep.js'

/**
 * Deletes what has served its time, beside a relay that leads: a batch at a time, with pauses as long as the batches
 * took, so that a backlog is worked off and publishing goes on.
 */
export class Retention {
  readonly #context: RelayContext
  readonly #retentionMs: number
  readonly #ending = new AbortController()
  readonly #ended: Promise<void>
  /** Before this position nothing is to be expected soon. */
  #after = 0
  #begunAt = performance.now()

  constructor(context: RelayContext, retentionMs: number) {
    this.#context = context
    this.#retentionMs = retentionMs
    this.#ended = this.#run(AbortSignal.any([this.#ending.signal, context.stopping]))
  }

  /** Waits for the statement that runs. */
  async end(): Promise<void> {
    this.#ending.abort()
    await this.#ended
  }

  async #run(ending: AbortSignal): Promise<void> {
    const pauseMs = Math.min(Math.max(this.#retentionMs / 100, MIN_PAUSE_MS), MAX_PAUSE_MS)
    while (!ending.aborted) await sleep((await this.#prune()) ?? pauseMs, ending)
  }

  /** @returns how long to wait for the next batch. Undefined: there is nothing more to delete at the moment. */
  async #prune(): Promise<number | undefined> {
    const { events, log } = this.#context
    const startedAt = performance.now()
    // What was passed by can be deleted by now: dead letters were resolved, transactions with low positions committed.
    if (startedAt - this.#begunAt > REVISIT_MS) {
      this.#after = 0
      this.#begunAt = startedAt
    }
    let pruned: Pruned
    try {
      pruned = await pruneBatch(log, this.#after, this.#retentionMs)
    } catch (error) {
      if (!this.#context.stopping.aborted) events.emit({ type: 'pruneFailed', error: safeError(error) })
      return undefined
    }
    const durationMs = performance.now() - startedAt
    if (pruned.events > 0) events.emit({ type: 'pruned', events: pruned.events, durationMs })
    if (pruned.last === undefined) return undefined
    this.#after = pruned.waits === undefined ? pruned.last : pruned.waits - 1
    return pruned.events > 0 || pruned.waits === undefined ? durationMs : undefined
  }
}

const MIN_PAUSE_MS = 1000
const MAX_PAUSE_MS = 60_000
/** How often the log is gone through from its beginning. */
const REVISIT_MS = 600_000
