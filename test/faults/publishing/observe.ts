/** What a campaign counts while a relay publishes. */
import type { Relay, RelayStatus } from 'drizzle-outbox'

export interface Figures {
  published: number
  /** Acknowledged as such, or found in the stream before they were sent again. */
  duplicates: number
  pauses: number
  /** Pauses because of events that were in flight. */
  interrupted: number
  fenced: number
  /** Events that another stream got. */
  astray: number
  /** The longest time from the end of a trouble of each name to the next acknowledgement. Milliseconds. */
  readonly recoveryMs: Record<string, number>
  /** What a relay was doing that was given up. */
  givenUp?: RelayStatus
}

export class Observer {
  readonly figures: Figures = {
    published: 0,
    duplicates: 0,
    pauses: 0,
    interrupted: 0,
    fenced: 0,
    astray: 0,
    recoveryMs: {},
  }
  readonly #patience: NodeJS.Timeout
  readonly #givenUp = new AbortController()
  #trouble: { readonly name: string; readonly overAt: number } | undefined

  /** @param patienceMs after which a relay is given up that publishes nothing. */
  constructor(relay: Relay, patienceMs: number) {
    const { figures } = this
    this.#patience = setTimeout(() => {
      figures.givenUp = relay.status()
      this.#givenUp.abort()
    }, patienceMs)
    relay.on('published', ({ count, duplicates }) => {
      figures.published += count
      figures.duplicates += duplicates
      this.#patience.refresh()
      this.#recovered()
    })
    relay.on('paused', ({ error }) => {
      figures.pauses++
      if (/connection to NATS was lost|no acknowledgement/.test(error.message)) figures.interrupted++
      if ('code' in error && error.code === 'ERR_OUTBOX_FENCED') figures.fenced++
    })
  }

  get givenUp(): AbortSignal {
    return this.#givenUp.signal
  }

  troubleIsOver(name: string): void {
    this.#trouble = { name, overAt: performance.now() }
  }

  #recovered(): void {
    if (this.#trouble === undefined) return
    const { name, overAt } = this.#trouble
    const { recoveryMs } = this.figures
    recoveryMs[name] = Math.max(recoveryMs[name] ?? 0, Math.round(performance.now() - overAt))
    this.#trouble = undefined
  }

  end(): void {
    clearTimeout(this.#patience)
  }
}
