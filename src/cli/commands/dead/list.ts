import { Option } from 'commander'
import type { DeadLetterState } from '../../../event-log/find-dead-letters.js'
import type { CommandSpec } from '../../command.js'
import { EXIT } from '../../exit-codes.js'
import { letterJson, renderDeadLetters } from '../../output/dead-letter-text.js'
import { print, printJson } from '../../output/stdout.js'
import { paintFor } from '../../output/style.js'
import { wholeNumber } from '../../parsers.js'
import { commonOptions, type DeadOptions, filterOptions, noneOf, withLetters } from './dead-options.js'

export const STATES = [
  'retrying',
  'parked',
  'waiting',
  'discarded',
] as const satisfies readonly DeadLetterState[]

interface ListOptions extends DeadOptions {
  readonly state?: DeadLetterState
  readonly limit: number
}

export const deadListCommand: CommandSpec<ListOptions> = {
  name: 'dead list',
  summary: 'the events that the broker refused',
  description: `Lists the events that a relay could not publish, because the broker refused them for their own sake: those
that it tries again, and those that are parked until somebody decides. How many wait behind each is in the list;
--state waiting shows them.`,
  options: [
    ...commonOptions,
    ...filterOptions,
    new Option('--state <state>', 'in this state (default: retrying and parked)').choices(STATES),
    new Option('-n, --limit <events>', 'how many').argParser(wholeNumber).default(100),
  ],
  json: true,
  examples: [
    ['dead list', 'what needs a decision'],
    ['dead list --aggregate order/1 --state waiting', 'what waits behind it'],
    ["dead list --json | jq -r '.eventId'", 'their ids'],
  ],
  run: (options, context) =>
    withLetters(options, context, async ({ session, relay, letters, filter }) => {
      const { state, limit } = options
      const found = await letters.list({ ...filter, limit, ...(state && { state }) })
      if (context.json) for (const letter of found) await printJson(letterJson(letter))
      else if (found.length > 0) await print(renderDeadLetters(found, paintFor(process.stdout)))
      else context.log.say(await noneOf(session, relay))
      return EXIT.ok
    }),
}
