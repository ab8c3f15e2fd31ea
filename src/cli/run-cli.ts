import { CommanderError } from 'commander'
import { isOutboxError } from '../errors.js'
import type { AnyCommandSpec } from './command.js'
import { EXIT, type ExitCode, UsageError } from './exit-codes.js'
import { interruptOnSignals } from './interrupt.js'
import { Log } from './output/log.js'
import { flushStreams, surviveClosedPipes } from './output/stdout.js'
import { createProgram } from './program.js'

/** Runs the command that these arguments name. Does not reject. @returns its exit code. */
export async function runCli(args: readonly string[]): Promise<ExitCode> {
  let log = new Log(args.includes('--json'))
  let code: ExitCode = EXIT.ok
  const interrupt = interruptOnSignals((signal) =>
    log.info(`${signal}: stopping; once more to end at once, whatever is in flight`, { signal }),
  )
  let unread = false
  surviveClosedPipes(() => {
    unread = true
    interrupt.abort()
  })
  const run = async (spec: AnyCommandSpec, options: Record<string, unknown>) => {
    const json = options.json === true
    log = new Log(json)
    code = await spec.run(options as never, { json, log, signal: interrupt.signal })
  }
  try {
    await createProgram(run).parseAsync(args, { from: 'user' })
  } catch (error) {
    code = unread ? EXIT.ok : exitCodeOf(error)
    // Commander has said what is wrong.
    if (code !== EXIT.ok && !(error instanceof CommanderError)) log.fail(error)
  }
  await flushStreams()
  return code
}

function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage
  if (error instanceof UsageError) return EXIT.usage
  return isOutboxError(error) && error.code === 'ERR_OUTBOX_OPTION_INVALID' ? EXIT.usage : EXIT.failed
}
