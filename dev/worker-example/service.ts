/** One of the example's processes: started, started again when it ends by itself, and stopped. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { dieWithParent } from '../run-to-end.mjs'

export interface Program {
  readonly name: string
  /** Arguments of Node.js. */
  readonly args: readonly string[]
  readonly folder: string
  readonly env: Readonly<Record<string, string>>
}

export interface ServiceProgram extends Program {
  /** Where it listens. */
  readonly url: string
  /** Answers well when it works. */
  readonly page: string
}

const restartMs = 1_000
/** Longer than any of them takes to finish what it has begun. */
const patienceMs = 15_000

/** Tells what it prints, line by line. */
export type Say = (name: string, line: string) => void

/** Runs it to its end, which must be a good one. */
export async function runOnce(program: Program, say: Say): Promise<void> {
  const [code, signal] = await endOf(launch(program, say))
  if (code !== 0) throw new Error(`${program.name} ended with ${signal ?? code}`)
}

export class Service {
  readonly #program: ServiceProgram
  readonly #say: Say
  readonly #stopping = new AbortController()
  #child: ChildProcess
  #supervised: Promise<void> | undefined

  private constructor(program: ServiceProgram, say: Say) {
    this.#program = program
    this.#say = say
    this.#child = launch(program, say)
  }

  /** Resolves when it answers well. Throws with what it said, if it ends before. */
  static async start(program: ServiceProgram, say: Say, signal: AbortSignal): Promise<Service> {
    const said: string[] = []
    const service = new Service(program, (name, line) => {
      said.push(line)
      say(name, line)
    })
    try {
      await service.#answers(signal)
    } catch (error) {
      await service.stop()
      signal.throwIfAborted()
      throw new Error(`${program.name} does not start:\n${said.join('\n')}`, { cause: error })
    }
    service.#supervised = service.#supervise()
    return service
  }

  get name(): string {
    return this.#program.name
  }

  get url(): string {
    return this.#program.url
  }

  /** Another one after it was started again. */
  get pid(): number {
    return this.#child.pid!
  }

  /** Has it finish what it has begun. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    const late = setTimeout(() => this.#child.kill('SIGKILL'), patienceMs)
    const ended = endOf(this.#child)
    this.#child.kill('SIGTERM')
    await ended
    await this.#supervised
    clearTimeout(late)
  }

  async #answers(signal: AbortSignal): Promise<void> {
    const { url, page } = this.#program
    const died = endOf(this.#child).then(() => {
      throw new Error('it ended')
    })
    for (;;) {
      const asked = fetch(`${url}${page}`, { signal }).then(
        ({ ok }) => ok,
        () => false, // it does not listen yet
      )
      if (await Promise.race([asked, died])) return
      await sleep(50, undefined, { signal })
    }
  }

  /** As systemd does, or Kubernetes. */
  async #supervise(): Promise<void> {
    const { signal } = this.#stopping
    for (;;) {
      const [code, killedBy] = await endOf(this.#child)
      if (signal.aborted) return
      this.#say(this.#program.name, `ended with ${killedBy ?? code}; it is started again`)
      await sleep(restartMs, undefined, { signal }).catch(() => {})
      if (signal.aborted) return
      this.#child = launch(this.#program, this.#say)
      this.#say(this.#program.name, `is process ${this.pid}`)
    }
  }
}

/** In a session of its own, so that a Ctrl-C reaches us alone; it ends with us, however we end. */
function launch({ name, args, folder, env }: Program, say: Say): ChildProcess {
  const child = spawn(process.execPath, ['--import', dieWithParent, '--import', 'tsx', ...args], {
    cwd: folder,
    detached: true,
    env: { ...process.env, ...env, DIE_WITH_PARENT: `${process.pid}` },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  for (const output of [child.stdout, child.stderr])
    createInterface({ input: output }).on('line', (line) => say(name, line))
  return child
}

async function endOf(child: ChildProcess): Promise<[code: number | null, signal: string | null]> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  return [child.exitCode, child.signalCode]
}
