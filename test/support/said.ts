/** Everything that anybody could come to read: log lines at every level, events, errors as logs print them, warnings. */
import { inspect } from 'node:util'
import { logRelay, type Relay, type RelayEventType } from 'drizzle-outbox'

const EVERYTHING: Record<RelayEventType, true> = {
  leaseAcquired: true,
  leaseLost: true,
  published: true,
  checkpoint: true,
  refused: true,
  deadLettered: true,
  released: true,
  paused: true,
  resumed: true,
  pruned: true,
  pruneFailed: true,
  listening: true,
  listenFailed: true,
  rebased: true,
  replayBegun: true,
  stopped: true,
}

export class Said {
  readonly #said = new Set<string>()
  readonly #ends: (() => void)[] = []

  /** What the process writes and warns of is heard from now on. */
  constructor() {
    const hear = (warning: Error) => this.thing(warning)
    process.on('warning', hear)
    this.#ends.push(() => process.off('warning', hear))
    for (const stream of [process.stdout, process.stderr]) {
      const { write } = stream
      stream.write = ((chunk: unknown, ...rest: never[]) => {
        this.text(String(chunk))
        return write.call(stream, chunk as string, ...rest)
      }) as typeof write
      this.#ends.push(() => Object.assign(stream, { write }))
    }
  }

  end(): void {
    for (const end of this.#ends) end()
  }

  text(text: string): void {
    this.#said.add(text)
  }

  /** As a log prints it: with causes and all properties, and as JSON. */
  thing(thing: unknown): void {
    this.text(inspect(thing, { depth: 20, maxArrayLength: null, maxStringLength: null }))
    this.text(JSON.stringify(thing, jsonOf) ?? '')
  }

  relay(relay: Relay): void {
    for (const type of Object.keys(EVERYTHING) as RelayEventType[])
      relay.on(type, (event) => {
        this.thing(event)
        this.thing(relay.status())
      })
    const write = (fields: object, message: string) => {
      this.thing(fields)
      this.text(message)
    }
    logRelay(relay, { debug: write, info: write, warn: write, error: write })
  }

  /** What is said by an error. */
  async errorOf(run: () => unknown): Promise<Error> {
    try {
      await run()
    } catch (error) {
      this.thing(error)
      return error as Error
    }
    throw new Error('it was to throw')
  }

  /** Lines in which this is found. */
  with(what: string): string[] {
    return [...this.#said].flatMap((text) => text.split('\n')).filter((line) => line.includes(what))
  }
}

/** An error as loggers serialize it: with what it has of its own, its message, its stack and its cause. */
function jsonOf(_: string, value: unknown): unknown {
  if (!(value instanceof Error)) return typeof value === 'bigint' ? String(value) : value
  const { name, message, stack, cause } = value
  return { ...value, name, message, stack, cause }
}
