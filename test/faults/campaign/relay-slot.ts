/** A place for a relay: its own ways to broker and database, and a process that is started again when it ends. */
import type { ChildProcess } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { LinkProxy } from '../../support/link-proxy.js'
import { NatsProxy } from '../../support/nats-proxy.js'
import type { RelayProgramOptions, RelayTold } from './programs/relay.js'
import { startProgram } from './programs.js'
import type { Site } from './site.js'

interface SlotEvents {
  readonly told: [told: RelayTold, at: number]
  /** With what it said at last, unless its end was brought about. */
  readonly ended: [crash: string | undefined]
}

export class RelaySlot extends EventEmitter<SlotEvents> {
  /** Between the relay and its broker. */
  readonly nats: NatsProxy
  /** Between the relay and its database. */
  readonly database: LinkProxy
  readonly #program: string
  readonly #options: RelayProgramOptions
  #child: ChildProcess | undefined
  #ready = false
  #frozen = false
  /** Its end is being brought about. */
  #expected = false
  #closing = false
  #complaints: string[] = []

  private constructor(program: string, options: RelayProgramOptions, nats: NatsProxy, database: LinkProxy) {
    super()
    this.#program = program
    this.#options = options
    this.nats = nats
    this.database = database
  }

  static async open(
    { nats, postgres, databaseUrl }: Site,
    program: string,
    options: Omit<RelayProgramOptions, 'databaseUrl' | 'natsUrl'>,
  ): Promise<RelaySlot> {
    const proxies = [NatsProxy.start(nats.port), LinkProxy.start(postgres.port)] as const
    const [toNats, toDatabase] = await Promise.all(proxies)
    const urls = { natsUrl: toNats.url, databaseUrl: toDatabase.urlFor(databaseUrl) }
    return new RelaySlot(program, { ...options, ...urls }, toNats, toDatabase)
  }

  /** It has started, and neither ended nor frozen since. */
  get ready(): boolean {
    return this.#ready && !this.#frozen
  }

  start(): void {
    this.#ready = false
    this.#frozen = false
    this.#expected = false
    this.#complaints = []
    const child = startProgram(this.#program, this.#options, (told) => {
      if (child !== this.#child) return
      if (told.type === 'complaint') this.#complaints.push(String(told.text))
      else {
        if (told.type === 'ready') this.#ready = true
        this.emit('told', told as unknown as RelayTold, told.at)
      }
    })
    this.#child = child
    // Not `exit`: what it told last is still on its way.
    child.once('close', (code, signal) => {
      this.#ready = false
      const asTold = this.#expected && (code === null || code === 0)
      const how = `a relay ended by itself (${code ?? signal}): ${this.#complaints.join('\n')}`
      this.emit('ended', asTold ? undefined : how)
      if (!this.#closing) this.start()
    })
  }

  /** kill -9 */
  kill(): Promise<unknown> {
    return this.#end('SIGKILL')
  }

  /** In order. */
  stop(): Promise<unknown> {
    return this.#end('SIGTERM')
  }

  async #end(signal: NodeJS.Signals): Promise<unknown> {
    this.#expected = true
    this.#ready = false
    const child = this.#child!
    const ended = once(child, 'close')
    child.kill(signal)
    return ended
  }

  freeze(): void {
    this.#frozen = true
    this.#child?.kill('SIGSTOP')
  }

  thaw(): void {
    this.#frozen = false
    this.#child?.kill('SIGCONT')
  }

  /** All is well on its ways. */
  heal(): void {
    this.thaw()
    for (const link of [this.nats, this.database]) {
      link.delay(0)
      link.release()
      link.refuse(false)
    }
    this.nats.loseAcks(false)
    this.nats.answer(undefined)
  }

  /** For good. One that does not end is killed. */
  async close(): Promise<void> {
    this.#closing = true
    const patience = setTimeout(() => this.#child?.kill('SIGKILL'), PATIENCE_MS)
    await this.stop()
    clearTimeout(patience)
    await Promise.all([this.nats.stop(), this.database.stop()])
  }
}

const PATIENCE_MS = 15_000
