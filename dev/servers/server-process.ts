/** A server program in its private directory: started, killed, started again. */
import type { ChildProcess } from 'node:child_process'
import { launch, type Program } from './launch.js'
import { untilGone } from './sweep.mjs'

export interface ServerProgram extends Program {
  /** What it writes to its log when it takes connections. */
  readonly ready: RegExp
  /** Ends it in an orderly way. */
  readonly quit: NodeJS.Signals
}

const endMs = 10_000

export class ServerProcess {
  readonly #program: ServerProgram
  #child: ChildProcess

  private constructor(program: ServerProgram, child: ChildProcess) {
    this.#program = program
    this.#child = child
  }

  static async start(program: ServerProgram): Promise<ServerProcess> {
    return new ServerProcess(program, await launch(program, program.ready))
  }

  get pid(): number {
    return this.#child.pid!
  }

  /** Resolves once the process and all that it started are gone. */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    this.#child.kill(signal)
    await untilGone(this.#program.directory, endMs)
  }

  async restart(): Promise<void> {
    await this.kill(this.#program.quit)
    this.#child = await launch(this.#program, this.#program.ready)
  }
}
