/** Starts a program in its private directory. */
import { type ChildProcess, spawn } from 'node:child_process'
import { open, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Account } from './account.js'
import { childEnvironment } from './child-environment.js'

export interface Program {
  readonly command: string
  /** They name the directory: that is how the janitor finds the process. */
  readonly args: readonly string[]
  readonly directory: string
  readonly account?: Account | undefined
  /** Besides what every server gets. */
  readonly env?: Readonly<Record<string, string>> | undefined
}

const patienceMs = 60_000

/**
 * Resolves once it wrote what we wait for, or ended well if we wait for nothing. In a session of its own, so that
 * Ctrl-C or a kill of our process group leaves it to the janitor; and it does not keep us alive.
 */
export async function launch(program: Program, awaited?: RegExp): Promise<ChildProcess> {
  const logFile = join(program.directory, 'log')
  const log = await open(logFile, 'a')
  const { size: written } = await log.stat()
  const child = spawn(program.command, program.args, {
    uid: program.account?.uid,
    gid: program.account?.gid,
    cwd: program.directory,
    detached: true,
    env: { ...childEnvironment(), ...program.env },
    stdio: ['ignore', log.fd, log.fd],
  })
  child.unref()
  let failure: Error | undefined
  child.once('error', (error) => {
    failure = error
  })
  await log.close()

  for (const deadline = Date.now() + patienceMs; Date.now() < deadline; await sleep(10)) {
    // Looked at before the log: what is said last is then in it.
    const ended = failure !== undefined || child.exitCode !== null || child.signalCode !== null
    const said = (await readFile(logFile)).subarray(written).toString()
    if (awaited ? awaited.test(said) : child.exitCode === 0) return child
    if (ended) throw new Error(`${program.command} failed: ${failure?.message ?? said}`)
  }
  child.kill('SIGKILL')
  throw new Error(`${program.command} took more than ${patienceMs} ms: see ${logFile}`)
}
