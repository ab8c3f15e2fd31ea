import { countDeadLetters } from '../../../event-log/find-dead-letters.js'
import { confirm, yesOption } from '../../ask.js'
import type { CommandSpec } from '../../command.js'
import { EXIT } from '../../exit-codes.js'
import { print, printJson } from '../../output/stdout.js'
import { plural } from '../../output/units.js'
import {
  allOption,
  type ChangeOptions,
  checkChosen,
  commonOptions,
  filterOptions,
  idArgument,
  reportNothing,
  withLetters,
} from './dead-options.js'

export const deadDiscardCommand: CommandSpec<ChangeOptions> = {
  name: 'dead discard',
  summary: 'give them up for good',
  description: `Has the relay pass events by for good: they will never be published, and the stream has a gap where they
belong. What waits behind them is published. They stay in the log.`,
  args: [idArgument('[id]')],
  options: [...commonOptions, ...filterOptions, allOption, yesOption],
  json: true,
  examples: [
    ['dead discard 0190c2a5-7c1e-7b6e-8f43-0d6f5f4b8d11', 'one'],
    ['dead discard --aggregate order/1 --yes', 'of one aggregate, without being asked'],
  ],
  run: (options, context) =>
    withLetters(options, context, async (target) => {
      const { session, relay, letters, filter } = target
      checkChosen(options)
      const found = await countDeadLetters(session.log, relay, filter)
      if (found === 0) return reportNothing(target, { discarded: 0 }, context)
      await confirm(
        `${plural(found, 'event')} will never be published by relay ${relay}; the stream will have a gap for each.`,
        options.yes,
        context.signal,
      )
      const discarded = await letters.discard(options.all ? { all: true } : filter)
      if (context.json) await printJson({ relay, discarded })
      else await print(`discarded ${plural(discarded, 'event')}`)
      return EXIT.ok
    }),
}
