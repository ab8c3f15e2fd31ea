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

/** A server of ours, as others see it. */
export interface PrivateServer {
  readonly url: string
  readonly port: number
  /** Holds its data and its log file. */
  readonly directory: string
  /** Another one after `restart()`. */
  readonly pid: number
  /** Ends the server and removes its directory. Again: does nothing. */
  stop(): Promise<void>
  /** Ends the server with a signal (default SIGKILL) and keeps its data; resolves once all of its processes are gone. */
  kill(signal?: NodeJS.Signals): Promise<void>
  /** Starts it again on the same port and data, after ending it in an orderly way if it still runs. */
  restart(): Promise<void>
  /** Lets the server outlive this process; returns the command that stops and removes it. */
  keep(): Promise<string>
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
