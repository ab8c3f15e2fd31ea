import { Argument } from 'commander'
import { readRelayProgress } from '../../event-log/log-statistics.js'
import { forgetRelay } from '../../operations/forget-relay.js'
import { confirm, yesOption } from '../ask.js'
import type { CommandSpec } from '../command.js'
import { EXIT, Failure } from '../exit-codes.js'
import { print, printJson } from '../output/stdout.js'
import { plural } from '../output/units.js'
import { configOption, type SessionOptions, withSession } from '../session.js'

interface ForgetOptions extends SessionOptions {
  readonly relay: string
  readonly yes?: true
}

export const forgetCommand: CommandSpec<ForgetOptions> = {
  name: 'forget',
  summary: 'forget a relay that is gone for good',
  description: `Deletes a relay's place in the log, and its dead letters: the log need not keep any more what it has not
published. Should it run again, it begins at the beginning of the log.`,
  args: [new Argument('<relay>', 'its name')],
  options: [configOption, yesOption],
  json: true,
  examples: [['forget kafka-trial', 'its name is in `status`']],
  run: (options, context) =>
    withSession(options, context, async ({ guardedDb, log }) => {
      const { relay } = options
      const progress = await readRelayProgress(log, relay)
      if (progress === undefined) throw new Failure(`there is no relay ${relay}`)
      const { pendingEvents, deadLetters } = progress
      await confirm(
        `Relay ${relay} will be forgotten: ${plural(pendingEvents, 'event')} that it has not published, and ${plural(deadLetters, 'dead letter')}.`,
        options.yes,
        context.signal,
      )
      const forgotten = await forgetRelay(guardedDb, relay)
      if (context.json) await printJson({ relay, forgotten })
      else await print(`relay ${relay} is forgotten`)
      return EXIT.ok
    }),
}
