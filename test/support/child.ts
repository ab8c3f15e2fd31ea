/** A Node.js process under test, in a process group of its own. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'

/** `line()` is its next line of output, undefined at the end; `ended` its exit code and signal. */
export function startChild(script: URL, ...args: string[]) {
  const child = spawn(process.execPath, ['--import', 'tsx', fileURLToPath(script), ...args], {
    detached: true,
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  onTestFinished(() => {
    child.kill('SIGKILL')
  })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  return {
    pid: child.pid!,
    ended: once(child, 'exit'),
    line: async (): Promise<string | undefined> => (await lines.next()).value,
  }
}
