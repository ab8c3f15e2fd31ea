/** The writing processes of a campaign. Whoever is killed is followed by another, with a ledger of its own. */
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { LinkProxy } from '../../support/link-proxy.js'
import type { WriterProgramOptions, WriterTold } from './programs/writer.js'
import { startProgram } from './programs.js'
import type { Site } from './site.js'

export type Wrote = Omit<WriterTold, 'type'>

export interface WritersOptions {
  readonly count: number
  readonly seed: number
  /** Events per second, of all together. */
  readonly rate: number
  readonly aggregates: number
  readonly notify: boolean
  /** Of each. */
  readonly connections: number
}

export class Writers {
  readonly figures: { -readonly [F in keyof Wrote]: number } = {
    events: 0,
    committed: 0,
    undone: 0,
    failed: 0,
    resolved: 0,
    unresolved: 0,
  }
  readonly ledgers: string[] = []
  readonly crashes: string[] = []
  /** Between each of them and the database. */
  readonly links: readonly LinkProxy[]
  readonly #site: Site
  readonly #program: string
  readonly #options: WritersOptions
  readonly #children: ChildProcess[] = []
  #closing = false
  #finished: Promise<void> | undefined

  private constructor(site: Site, program: string, options: WritersOptions, links: readonly LinkProxy[]) {
    this.#site = site
    this.#program = program
    this.#options = options
    this.links = links
  }

  static async start(site: Site, program: string, options: WritersOptions): Promise<Writers> {
    const links = await Promise.all(
      Array.from({ length: options.count }, () => LinkProxy.start(site.postgres.port)),
    )
    const writers = new Writers(site, program, options, links)
    for (const index of links.keys()) writers.#start(index)
    return writers
  }

  #start(index: number): void {
    const { count, seed, rate, aggregates, notify, connections } = this.#options
    const ledger = join(this.#site.folder, `ledger-${this.ledgers.length}`)
    const options: WriterProgramOptions = {
      databaseUrl: this.links[index]!.urlFor(this.#site.databaseUrl),
      driver: index % 2 === 0 ? 'node-postgres' : 'postgres.js',
      ledger,
      seed: seed + this.ledgers.length,
      aggregates,
      rate: rate / count,
      notifies: notify,
      connections,
    }
    this.ledgers.push(ledger)
    writeFileSync(ledger, '') // whoever is killed at once has written none
    const complaints: string[] = []
    const child = startProgram(this.#program, options, (told) => {
      if (told.type === 'complaint') complaints.push(String(told.text))
      else this.#count(told as unknown as WriterTold)
    })
    this.#children[index] = child
    child.once('close', (code) => {
      // Whom a signal has ended we have ended.
      if (code !== null && code !== 0)
        this.crashes.push(`a writer ended by itself (${code}): ${complaints.join('\n')}`)
      if (!this.#closing) this.#start(index)
    })
  }

  #count(told: WriterTold): void {
    for (const figure of Object.keys(this.figures) as (keyof Wrote)[]) this.figures[figure] += told[figure]
  }

  /** kill -9 */
  async kill(index: number): Promise<void> {
    const child = this.#children[index]!
    child.kill('SIGKILL')
    await once(child, 'close')
  }

  freeze(): void {
    for (const child of this.#children) child.kill('SIGSTOP')
  }

  thaw(): void {
    for (const child of this.#children) child.kill('SIGCONT')
  }

  heal(): void {
    this.thaw()
    for (const link of this.links) {
      link.release()
      link.refuse(false)
    }
  }

  /** Lets them end what they have begun; what takes too long stays unknown. Again: does nothing. */
  finish(patienceMs: number): Promise<void> {
    this.#finished ??= this.#finish(patienceMs)
    return this.#finished
  }

  async #finish(patienceMs: number): Promise<void> {
    this.#closing = true
    const end = async (child: ChildProcess) => {
      const ended = once(child, 'close')
      const patience = setTimeout(() => child.kill('SIGKILL'), patienceMs)
      child.kill('SIGTERM')
      await ended
      clearTimeout(patience)
    }
    await Promise.all(this.#children.map(end))
    await Promise.all(this.links.map((link) => link.stop()))
  }
}
