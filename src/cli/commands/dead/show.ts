import type { CommandSpec } from '../../command.js'
import { EXIT, Failure } from '../../exit-codes.js'
import { letterJson, renderDeadLetter } from '../../output/dead-letter-text.js'
import { print, printJson } from '../../output/stdout.js'
import { paintFor } from '../../output/style.js'
import { commonOptions, type DeadOptions, idArgument, withLetters } from './dead-options.js'
import { STATES } from './list.js'

export const deadShowCommand: CommandSpec<DeadOptions & { readonly id: string }> = {
  name: 'dead show',
  summary: 'all about one of them',
  description: 'Shows one dead letter: why it was refused, how often it was tried, and what waits behind it.',
  args: [idArgument('<id>')],
  options: commonOptions,
  json: true,
  examples: [['dead show 0190c2a5-7c1e-7b6e-8f43-0d6f5f4b8d11', 'its id is in `dead list`']],
  run: (options, context) =>
    withLetters(options, context, async ({ relay, letters, filter }) => {
      const [letter] = await letters.list({ ...filter, state: STATES })
      if (letter === undefined) throw new Failure(`relay ${relay} has no dead letter ${options.id}`)
      if (context.json) await printJson(letterJson(letter))
      else await print(renderDeadLetter(letter, paintFor(process.stdout)))
      return EXIT.ok
    }),
}
