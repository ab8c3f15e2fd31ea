import { randomUUID } from 'node:crypto'
import { OutboxError } from '../errors.js'
import type { EventLog } from '../event-log/database.js'
import { notify } from '../event-log/notifications.js'

/**
 * Sends notifications to itself, and hears whether they arrive: nobody tells of a connection that is half open, or of a
 * pooler that has the session listen for another client.
 */
export class Heartbeat {
  readonly #log: EventLog
  readonly #intervalMs: number
  readonly #onHeard: () => void
  readonly #payload = `${HEARTBEAT}${randomUUID()}`
  readonly #missed = new AbortController()
  #timer: NodeJS.Timeout | undefined
  #arrived = () => {}

  /** It counts as missed, too, when it has not begun to beat in time. */
  constructor(log: EventLog, intervalMs: number, onHeard: () => void) {
    this.#log = log
    this.#intervalMs = intervalMs
    this.#onHeard = onHeard
    this.#later(() => this.#miss())
  }

  /** Aborts when a notification did not arrive in time, or could not be sent. */
  get missed(): AbortSignal {
    return this.#missed.signal
  }

  async beat(): Promise<void> {
    clearTimeout(this.#timer)
    const arrived = new Promise<void>((resolve) => {
      this.#arrived = resolve
    })
    try {
      await notify(this.#log, this.#payload)
    } catch (error) {
      return this.#missed.abort(error)
    }
    this.#later(() => this.#miss())
    await arrived
    if (this.missed.aborted) return
    this.#onHeard()
    this.#later(() => void this.beat())
  }

  /** @returns whether it was a heartbeat, of this relay or of another one. */
  hear(payload: string): boolean {
    if (payload === this.#payload) this.#arrived()
    return payload.startsWith(HEARTBEAT)
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#missed.abort()
  }

  #later(run: () => void): void {
    clearTimeout(this.#timer)
    if (!this.missed.aborted) this.#timer = setTimeout(run, this.#intervalMs)
  }

  #miss(): void {
    const timeoutMs = this.#intervalMs
    const reason = `no notification arrived within ${timeoutMs} ms: the connection is gone, or goes through a pooler that cannot listen, such as PgBouncer in transaction mode`
    this.#missed.abort(new OutboxError('ERR_OUTBOX_NOTIFICATION_MISSED', reason, { timeoutMs }))
  }
}

const HEARTBEAT = 'heartbeat '
