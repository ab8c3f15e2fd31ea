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
  /** Times from the end of a trouble of each name to the next acknowledgement. Milliseconds. */
  readonly recoveriesMs: Record<string, number[]>
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
    recoveriesMs: {},
  }
  readonly #patienceMs: number
  #patience: NodeJS.Timeout | undefined
  readonly #givenUp = new AbortController()
  readonly #relay: Relay
  #troubles = 0

  /** @param patienceMs after which a relay is given up that publishes nothing. */
  constructor(relay: Relay, patienceMs: number) {
    const { figures } = this
    this.#relay = relay
    this.#patienceMs = patienceMs
    relay.on('published', ({ count, duplicates }) => {
      figures.published += count
      figures.duplicates += duplicates
      this.#patience?.refresh()
    })
    relay.on('paused', ({ error }) => {
      figures.pauses++
      if (/connection to NATS was lost|no acknowledgement|does not answer/.test(error.message))
        figures.interrupted++
      if ('code' in error && error.code === 'ERR_OUTBOX_FENCED') figures.fenced++
    })
  }

  /** The relay is going to be started. */
  begin(): void {
    this.#patience = setTimeout(() => {
      this.figures.givenUp = this.#relay.status()
      this.#givenUp.abort()
    }, this.#patienceMs)
  }

  get givenUp(): AbortSignal {
    return this.#givenUp.signal
  }

  /** Resolves when the relay says that something is published. */
  published(): Promise<void> {
    return new Promise((resolve) => {
      const end = this.#relay.on('published', () => {
        end()
        resolve()
      })
    })
  }

  /** A recovery that meets another trouble is not counted. */
  troubleBegins(): void {
    this.#troubles++
  }

  /** @param nextAck resolves with the next acknowledgement. */
  troubleIsOver(name: string, nextAck: Promise<void>): void {
    const overAt = performance.now()
    const trouble = this.#troubles
    void nextAck.then(() => {
      if (trouble !== this.#troubles) return
      const { recoveriesMs } = this.figures
      recoveriesMs[name] ??= []
      recoveriesMs[name].push(performance.now() - overAt)
    })
  }

  end(): void {
    clearTimeout(this.#patience)
  }
}

/** How long recoveries took, for people: the median, the 99th percentile, the longest. Milliseconds. */
export function recoveryTimes({ recoveriesMs }: Pick<Figures, 'recoveriesMs'>): Record<string, string> {
  const named = [...Object.entries(recoveriesMs), ['all', Object.values(recoveriesMs).flat()] as const]
  return Object.fromEntries(
    named.map(([name, times]) => {
      const sorted = times.toSorted((a, b) => a - b)
      const at = (share: number) => Math.round(sorted[Math.ceil(share * (sorted.length - 1))] ?? 0)
      return [name, `${sorted.length}: ${at(0.5)}, ${at(0.99)}, ${at(1)}`]
    }),
  )
}
