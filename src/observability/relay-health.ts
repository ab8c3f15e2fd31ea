import { isOutboxError, type OutboxErrorCode } from '../errors.js'
import type { Relay } from '../relay/relay.js'
import type { RelayState } from '../relay/relay-status.js'
import { shared } from './shared.js'

export interface RelayHealthOptions {
  /** A relay that has been paused for longer is not ready. Milliseconds. @default 15000 */
  readonly graceMs?: number
  /**
   * A relay of which nothing is heard for so long, where something should have been, is not alive. More than a page may
   * take: `batchSize` round trips, if its events are all of one aggregate. Milliseconds. @default 120000
   */
  readonly stuckAfterMs?: number
  /** How long database and broker may take to answer. Milliseconds. @default 2000 */
  readonly timeoutMs?: number
}

/** What there is to say of a relay. Names and codes only: nothing of an event, and no address. */
export interface Readiness {
  readonly relay: string
  readonly state: RelayState
  readonly ready: boolean
  readonly database: Reached
  readonly broker: Reached
}

/** `ok`, or why not. */
type Reached = 'ok' | 'no answer' | 'failed' | OutboxErrorCode

/** Judges a relay. However many ask, database and broker are asked one question at a time. */
export class RelayHealth {
  readonly #relay: Relay
  readonly #options: Required<RelayHealthOptions>
  readonly #database: () => Promise<Reached>
  readonly #broker: () => Promise<Reached>

  constructor(
    relay: Relay,
    { graceMs = 15_000, stuckAfterMs = 120_000, timeoutMs = 2000 }: RelayHealthOptions,
  ) {
    this.#relay = relay
    this.#options = { graceMs, stuckAfterMs, timeoutMs }
    this.#database = shared(() => reached(relay.pingDatabase()))
    this.#broker = shared(() => reached(relay.pingBroker()))
  }

  /** Whether its loop moves. A relay that is not started, or stopped, has none that could be stuck. */
  isAlive(): boolean {
    return this.#relay.status().overdueMs <= this.#options.stuckAfterMs
  }

  /** Whether it leads or stands by, and could go on with it. */
  async readiness(): Promise<Readiness> {
    const { timeoutMs, graceMs } = this.#options
    const [database, broker] = await Promise.all([
      within(timeoutMs, this.#database()),
      within(timeoutMs, this.#broker()),
    ])
    const { name, state, pausedMs = 0 } = this.#relay.status()
    const works = RUNNING.has(state) && pausedMs <= graceMs && this.isAlive()
    return { relay: name, state, ready: works && database === 'ok' && broker === 'ok', database, broker }
  }
}

const RUNNING: ReadonlySet<RelayState> = new Set(['standby', 'idle', 'publishing', 'paused'])

async function reached(asking: Promise<void>): Promise<Reached> {
  try {
    await asking
    return 'ok'
  } catch (error) {
    return isOutboxError(error) ? error.code : 'failed'
  }
}

async function within(timeoutMs: number, answer: Promise<Reached>): Promise<Reached> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<Reached>((resolve) => {
    timer = setTimeout(resolve, timeoutMs, 'no answer')
  })
  return Promise.race([answer, late]).finally(() => clearTimeout(timer))
}
