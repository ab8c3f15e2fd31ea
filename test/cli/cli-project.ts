/** A project with the packed package and an outbox.config.ts, and the command run in it as a child process. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished } from 'vitest'
import { createConsumer } from '../package/consumer.js'
import { packPackage } from '../package/packed.js'

export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

type Environment = Readonly<Record<string, string | undefined>>

export interface CliProject {
  readonly folder: string
  /** Runs the command to its end. @param subfolder Where. */
  run(args: readonly string[], env?: Environment, subfolder?: string): Promise<Ended>
  /** Runs it to its end, which must be a good one. @returns what it printed, parsed line by line. */
  json(args: readonly string[], env?: Environment): Promise<unknown[]>
  /** Begins to run it. */
  start(args: readonly string[], env?: Environment): RunningCli
  write(file: string, text: string): Promise<void>
  remove(): Promise<void>
}

/** @param env For every command. @param config Without one there is the fixture's. */
export async function createCliProject(env: Environment = {}, config?: string): Promise<CliProject> {
  const consumer = await createConsumer(await packPackage(), { drizzle: '0.45' })
  const { folder } = consumer
  const fixture = new URL('./fixtures/outbox.config.ts', import.meta.url)
  if (config === undefined) await cp(fileURLToPath(fixture), join(folder, 'outbox.config.ts'))
  else await writeFile(join(folder, 'outbox.config.ts'), config)
  const start = (args: readonly string[], more: Environment = {}, subfolder = '') =>
    new RunningCli(folder, args, { ...env, ...more }, join(folder, subfolder))
  return {
    folder,
    start,
    run: (args, more, subfolder) => start(args, more, subfolder).ended,
    json: async (args, more) => {
      const { code, stdout, stderr } = await start([...args, '--json'], more).ended
      expect(code, stderr).toBe(0)
      return stdout.split('\n').flatMap((line) => (line === '' ? [] : JSON.parse(line)))
    },
    write: async (file, text) => {
      await mkdir(dirname(join(folder, file)), { recursive: true })
      await writeFile(join(folder, file), text)
    },
    remove: consumer.remove,
  }
}

export class RunningCli {
  readonly #child
  readonly #output = { stdout: '', stderr: '' }
  readonly ended: Promise<Ended>

  constructor(project: string, args: readonly string[], env: Environment, cwd: string) {
    const main = join(project, 'node_modules/drizzle-outbox/dist/cli/main.js')
    this.#child = spawn(process.execPath, [main, ...args], {
      cwd,
      env: { ...process.env, ...env },
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    for (const name of ['stdout', 'stderr'] as const)
      this.#child[name].setEncoding('utf8').on('data', (text) => {
        this.#output[name] += text
      })
    this.ended = once(this.#child, 'close').then(([code]) => ({ code, ...this.#output }))
    onTestFinished(() => {
      this.#child.kill('SIGKILL')
    })
  }

  /** Waits until it has written this. */
  async wrote(stream: 'stdout' | 'stderr', pattern: RegExp): Promise<void> {
    const look = () => this.#output[stream]
    await expect.poll(look, { timeout: 30_000, interval: 10 }).toMatch(pattern)
  }

  get stderr(): string {
    return this.#output.stderr
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  type(text: string): void {
    this.#child.stdin.write(text)
  }

  /** As `head` does when it has seen enough. */
  closeStdout(): void {
    this.#child.stdout.destroy()
  }
}
