import { type Argument, Command, Option } from 'commander'
import type { ExitCode } from './exit-codes.js'
import type { Log } from './output/log.js'

/** What a command is given besides its own options. */
export interface Context {
  /** Data on stdout as JSON, one value a line; logs on stderr too. */
  readonly json: boolean
  readonly log: Log
  /** Aborts with the first SIGINT or SIGTERM, and when nobody reads stdout any more. */
  readonly signal: AbortSignal
}

/** A command as its file describes it. `O` is its options and arguments, by name, as commander parses them. */
export interface CommandSpec<O = never> {
  /** `status`, or `dead list` for one of a group. */
  readonly name: string
  readonly summary: string
  /** What it does, for its help. */
  readonly description: string
  readonly examples: readonly (readonly [command: string, meaning: string])[]
  readonly args?: readonly Argument[]
  readonly options?: readonly Option[]
  /** Whether it takes `--json`. */
  readonly json?: boolean
  run(options: O, context: Context): Promise<ExitCode>
}

export type AnyCommandSpec = CommandSpec<never>
export type RunCommand = (spec: AnyCommandSpec, options: Record<string, unknown>) => Promise<void>

export function toCommander(spec: AnyCommandSpec, run: RunCommand): Command {
  const name = spec.name.split(' ').at(-1)
  const command = new Command(name).summary(spec.summary).description(unwrapped(spec.description))
  for (const argument of spec.args ?? []) command.addArgument(argument)
  for (const option of spec.options ?? []) command.addOption(option)
  if (spec.json) command.addOption(new Option('--json', 'for machines: JSON, one value a line'))
  const examples = spec.examples.map(([line, meaning]) => `  $ npx drizzle-outbox ${line}\n      ${meaning}`)
  command.addHelpText('after', `\nExamples:\n${examples.join('\n')}`)
  return command.action((...parsed: unknown[]) => {
    const values = parsed.slice(0, command.registeredArguments.length)
    const args = command.registeredArguments.map((argument, i) => [camelCase(argument.name()), values[i]])
    return run(spec, { ...command.opts(), ...Object.fromEntries(args) })
  })
}

/** Commander fills lines itself, and keeps those that are there. */
function unwrapped(text: string): string {
  return text.replaceAll(/(?<!\n)\n(?!\n)/g, ' ')
}

function camelCase(name: string): string {
  return name.replaceAll(/-(\w)/g, (_, letter: string) => letter.toUpperCase())
}
