import { readFileSync } from 'node:fs'
import { Command } from 'commander'
import { type AnyCommandSpec, type RunCommand, toCommander } from './command.js'
import { deadDiscardCommand } from './commands/dead/discard.js'
import { deadListCommand } from './commands/dead/list.js'
import { deadRetryCommand } from './commands/dead/retry.js'
import { deadShowCommand } from './commands/dead/show.js'
import { doctorCommand } from './commands/doctor.js'
import { eventsCommand } from './commands/events.js'
import { forgetCommand } from './commands/forget.js'
import { initCommand } from './commands/init.js'
import { migrateCommand } from './commands/migrate.js'
import { pruneCommand } from './commands/prune.js'
import { rebaseCommand } from './commands/rebase.js'
import { relayCommand } from './commands/relay.js'
import { replayCommand } from './commands/replay.js'
import { sqlCommand } from './commands/sql.js'
import { statusCommand } from './commands/status.js'

/** In the order of help: as one meets them. */
const COMMANDS: readonly AnyCommandSpec[] = [
  initCommand,
  sqlCommand,
  migrateCommand,
  relayCommand,
  statusCommand,
  eventsCommand,
  deadListCommand,
  deadShowCommand,
  deadRetryCommand,
  deadDiscardCommand,
  replayCommand,
  pruneCommand,
  forgetCommand,
  rebaseCommand,
  doctorCommand,
]

const GROUPS: Readonly<Record<string, string>> = {
  dead: 'what the broker refused: list, show, retry, discard',
}

/** @param run Called with the command that was chosen. */
export function createProgram(run: RunCommand): Command {
  const program = new Command('drizzle-outbox')
    .description('Operates the outbox of outbox.config.ts: its tables, its relay, its log.')
    .version(version(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print help')
    .helpCommand('help [command]', 'print help for a command')
    .addHelpText(
      'after',
      `
Options are taken from the command line, then from the environment (OUTBOX_…), then from the configuration.
Data goes to stdout, everything else to stderr. Exit codes: 0 done, 1 failed, 2 wrong usage or configuration,
3 something was found that needs looking after.`,
    )
  const groups = new Map<string, Command>()
  for (const spec of COMMANDS) {
    const command = toCommander(spec, run)
    const [group, inGroup] = spec.name.split(' ')
    if (inGroup === undefined) program.addCommand(command)
    else groupOf(group ?? '').addCommand(command)
  }
  inherit(program)
  return program

  function groupOf(name: string): Command {
    const known = groups.get(name)
    if (known) return known
    const group = new Command(name).summary(GROUPS[name] ?? '').description(GROUPS[name] ?? '')
    groups.set(name, group)
    program.addCommand(group)
    return group
  }
}

/** Commander's own: what is wrong is thrown, help goes where the user looks for it. */
function inherit(command: Command): void {
  command
    .exitOverride()
    .showHelpAfterError(`(\`npx ${pathOf(command)} --help\` says more)`)
    .showSuggestionAfterError()
  for (const child of command.commands) inherit(child)
}

function pathOf(command: Command): string {
  return command.parent ? `${pathOf(command.parent)} ${command.name()}` : command.name()
}

function version(): string {
  return JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')).version
}
