/** Temporary directories that disappear with us, together with the processes that run in them. */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { sweep } from './sweep.mjs'

export interface PrivateDirectory {
  readonly path: string
  /** Ends the processes that mention it in their command line or environment, and removes it. Again: does nothing. */
  remove(): Promise<void>
  /** Leaves it where it is when we end; returns the command that does what `remove` would have done. */
  keep(): Promise<string>
}

export async function makePrivateDirectory(parent = temporaryFolder()): Promise<PrivateDirectory> {
  const path = join(parent, `drizzle-outbox-${process.pid}-${randomBytes(6).toString('hex')}`)
  // Registered before it exists: at no moment is there a directory that nobody would remove.
  await tellJanitor(`+${path}`)
  await mkdir(path, { recursive: true, mode: 0o700 })

  let removal: Promise<void> | undefined
  return {
    path,
    remove: () => {
      removal ??= sweep(path).then(() => tellJanitor(`-${path}`))
      return removal
    },
    keep: async () => {
      await tellJanitor(`-${path}`)
      return `node ${janitorScript} ${path}`
    },
  }
}

/** Short, because a unix socket's path may have about 100 characters; for root, one that other users can enter. */
function temporaryFolder(): string {
  return process.getuid?.() === 0 || tmpdir().length > 50 ? '/tmp' : tmpdir()
}

const janitorScript = fileURLToPath(new URL('./janitor.mjs', import.meta.url))
let janitor: ChildProcess | undefined

/** Resolves once the line is in the pipe: from there the janitor gets it even if we are killed. */
async function tellJanitor(line: string): Promise<void> {
  janitor ??= startJanitor()
  const input = janitor.stdin as Socket
  await new Promise<void>((resolve, reject) => {
    input.write(`${line}\n`, (error) => (error ? reject(error) : resolve()))
  })
}

/** In a session of its own, so that neither Ctrl-C nor a kill of our process group reaches it. */
function startJanitor(): ChildProcess {
  const child = spawn(process.execPath, [janitorScript], {
    cwd: '/',
    detached: true,
    env: { PATH: process.env.PATH }, // not NODE_OPTIONS: what the user debugs is not the janitor
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  child.unref()
  child.once('exit', () => {
    janitor = undefined
  })
  const input = child.stdin as Socket
  input.unref()
  input.on('error', () => {}) // told to the writer
  return child
}
