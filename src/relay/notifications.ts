import { isOutboxError } from '../errors.js'
import { databaseFailed } from '../event-log/database.js'
import type { Listen } from '../transaction/drivers/listen.js'
import { Backoff } from './backoff.js'
import { Heartbeat } from './heartbeat.js'
import type { RelayContext } from './relay-context.js'
import { sleep } from './sleep.js'

/** Hears of commits in other processes, and wakes the relay. Whatever becomes of it, the relay polls. */
export class Notifications {
  readonly #context: RelayContext
  readonly #listen: Listen
  readonly #backoff: Backoff
  readonly #ending = new AbortController()
  readonly #running: Promise<void>

  constructor(context: RelayContext, listen: Listen) {
    this.#context = context
    this.#listen = listen
    this.#backoff = new Backoff(context.options.minBackoffMs, context.options.maxBackoffMs)
    this.#running = this.#run(this.#ending.signal)
  }

  /** Closes the connection. */
  async end(): Promise<void> {
    this.#ending.abort()
    await this.#running
  }

  async #run(ending: AbortSignal): Promise<void> {
    while (!ending.aborted) {
      const cause = await this.#hear(ending).catch((error: unknown) => error)
      if (ending.aborted) return
      const error = isOutboxError(cause) ? cause : databaseFailed(cause)
      const retryInMs = this.#backoff.fail()
      this.#context.events.emit({
        type: 'listenFailed',
        error,
        attempt: this.#backoff.failures,
        retryInMs,
      })
      await sleep(retryInMs, ending)
    }
  }

  /** One connection, from its beginning to its end. */
  async #hear(ending: AbortSignal): Promise<never> {
    const { events, log, options, wake } = this.#context
    let heard = false
    const heartbeat = new Heartbeat(log, options.heartbeatMs, () => {
      if (heard) return
      heard = true
      this.#backoff.succeed()
      events.emit({ type: 'listening' })
    })
    const listener = {
      onListening: () => {
        wake.wake() // something may have been committed while nobody listened
        void heartbeat.beat()
      },
      onNotification: (payload: string) => {
        if (!heartbeat.hear(payload)) wake.wake()
      },
    }
    try {
      return await this.#listen(log.tables.channel, listener, AbortSignal.any([ending, heartbeat.missed]))
    } finally {
      heartbeat.stop()
    }
  }
}
