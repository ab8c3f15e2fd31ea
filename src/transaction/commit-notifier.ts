import { AsyncResource } from 'node:async_hooks'
import type { EventLog } from '../event-log/database.js'
import { notify } from '../event-log/notifications.js'

/**
 * Notifies relays in other processes of commits: at once of the first, then of all that came meanwhile, so that the last
 * one is always followed by a notification. A hint: polling finds the events as well.
 */
export class CommitNotifier {
  readonly #log: EventLog
  /** In the context where the database was made. It would be that of whose commit came first, for ever. */
  readonly #start = AsyncResource.bind(() => void this.#run())
  #wanted = false
  #running = false

  constructor(log: EventLog) {
    this.#log = log
  }

  notify(): void {
    this.#wanted = true
    if (!this.#running) this.#start()
  }

  async #run(): Promise<void> {
    this.#running = true
    while (this.#wanted) {
      this.#wanted = false
      await this.#send()
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS).unref()) // no reason for a process to live on
    }
    this.#running = false
  }

  /** Resolves when that has worked, failed, or taken too long: a connection may hang for good while others work. */
  #send(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, TIMEOUT_MS).unref()
      const done = () => {
        clearTimeout(timer)
        resolve()
      }
      notify(this.#log, '').then(done, done)
    })
  }
}

const PAUSE_MS = 5
const TIMEOUT_MS = 5000
