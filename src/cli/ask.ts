import { createInterface } from 'node:readline/promises'
import { Option } from 'commander'
import { Failure, UsageError } from './exit-codes.js'

export const yesOption = new Option('-y, --yes', 'do not ask')

/**
 * Says what is going to happen and asks whether it should. Where nobody can answer, `--yes` must have been said before.
 *
 * @throws UsageError, Failure when the answer is no.
 */
export async function confirm(what: string, yes: boolean | undefined, signal: AbortSignal): Promise<void> {
  if (yes) return
  if (!process.stdin.isTTY) throw new UsageError(`${what}\nNobody is there to be asked: say --yes.`)
  const terminal = createInterface({ input: process.stdin, output: process.stderr })
  // Ctrl-C is a key while a line is read.
  terminal.on('SIGINT', () => process.kill(process.pid, 'SIGINT'))
  const answer = await terminal.question(`${what}\nGo on? [y/N] `, { signal }).finally(() => terminal.close())
  if (!/^y(es)?$/i.test(answer.trim())) throw new Failure('nothing was done')
}
