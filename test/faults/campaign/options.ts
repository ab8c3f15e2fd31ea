/** The command line of the campaign. */
import { parseArgs } from 'node:util'
import { type Bug, bugs } from './bugs.js'
import { namesOfFaults } from './strike.js'

export interface Options {
  readonly minutes: number
  readonly seed: number
  readonly rate: number | undefined
  readonly faults: readonly string[] | undefined
  readonly bug: Bug | undefined
  /** A file for the report. */
  readonly json: string | undefined
  readonly help: boolean
}

export const usage = `Usage: npm run faults -- [options]

Writers in several processes, four crews of relays, and a nemesis that kills, freezes, cuts and fills up whatever
there is, on private servers of its own. Then everything is read back and counted: what was committed, what the
log holds, what the streams hold. It passes if no event is lost, duplicated, out of order, changed or a phantom.

  --minutes N    how long the nemesis strikes (default 2); fractions will do
  --seed S       decides what is written and which faults come when (default: any)
  --rate N       events per second, at most (default 1200)
  --only NAMES   faults that are to come, separated by commas
  --bug NAME     seeds a bug into relays and writers; --only and --rate are then what it is weak to
  --json FILE    also writes the report there
  --help         print this

Faults: ${namesOfFaults.join(', ')}

Bugs: ${bugs.map(({ name }) => name).join(', ')}

A full disk needs root on Linux, and is left out elsewhere.
Exit code: 0 if all is well, 1 if not, 2 for a wrong option. NATS_SERVER_BINARY names another nats-server.
`

export class UsageError extends Error {}

/** @throws UsageError */
export function parseOptions(args: readonly string[]): Options {
  const { minutes, seed, rate, only, bug, json, help } = parse(args)
  const faults = only?.split(',').map((name) => name.trim())
  const unknown = faults?.find((name) => !namesOfFaults.includes(name))
  if (unknown !== undefined) throw new UsageError(`--only: there is no fault ${JSON.stringify(unknown)}`)
  const found = bugs.find(({ name }) => name === bug)
  if (bug !== undefined && found === undefined)
    throw new UsageError(`--bug: there is no ${JSON.stringify(bug)}`)
  return {
    minutes: positive('minutes', minutes),
    seed: seed === undefined ? Date.now() % 1_000_000 : positive('seed', seed),
    rate: rate === undefined ? undefined : positive('rate', rate),
    faults,
    bug: found,
    json,
    help,
  }
}

function positive(option: string, text: string): number {
  const value = Number(text)
  if (!(value > 0)) throw new UsageError(`--${option} must be a number above 0, not ${JSON.stringify(text)}`)
  return value
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        minutes: { type: 'string', default: '2' },
        seed: { type: 'string' },
        rate: { type: 'string' },
        only: { type: 'string' },
        bug: { type: 'string' },
        json: { type: 'string' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    }).values
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
}
