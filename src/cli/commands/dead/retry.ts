import { Option } from 'commander'
import { countDeadLetters, type DeadLetterFilter } from '../../../event-log/find-dead-letters.js'
import { readRelayProgress } from '../../../event-log/log-statistics.js'
import { sleep } from '../../../relay/sleep.js'
import { confirm, yesOption } from '../../ask.js'
import type { CommandSpec, Context } from '../../command.js'
import { EXIT } from '../../exit-codes.js'
import { Progress } from '../../output/progress.js'
import { print, printJson } from '../../output/stdout.js'
import { plural } from '../../output/units.js'
import type { Session } from '../../session.js'
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

interface RetryOptions extends ChangeOptions {
  readonly wait: boolean
}

export const deadRetryCommand: CommandSpec<RetryOptions> = {
  name: 'dead retry',
  summary: 'have them published after all',
  description: `Has the relay publish parked events once more, before what waits behind each, and waits for how it ends:
exit code 3 if some are refused again. Mend the cause first, such as the broker's size limit.`,
  args: [idArgument('[id]')],
  options: [
    ...commonOptions,
    ...filterOptions,
    allOption,
    yesOption,
    new Option('--no-wait', 'end at once; the relay does it when it runs'),
  ],
  json: true,
  examples: [
    ['dead retry 0190c2a5-7c1e-7b6e-8f43-0d6f5f4b8d11', 'one'],
    ['dead retry --type order.placed --since 2h --yes', 'some, without being asked'],
    ['dead retry --all', 'all'],
  ],
  run: (options, context) =>
    withLetters(options, context, async (target) => {
      const { session, relay, letters, filter } = target
      const { json, log, signal } = context
      checkChosen(options)
      const found = await countDeadLetters(session.log, relay, { ...filter, state: 'parked' })
      if (found === 0) return reportNothing(target, { retried: 0, refused: 0, done: true }, context)
      await confirm(
        `${plural(found, 'parked event')} of relay ${relay} will be published once more.`,
        options.yes,
        signal,
      )
      // When it is refused again is not known yet.
      const watched = { ...filter, until: undefined }
      const before = await countDeadLetters(session.log, relay, { ...watched, state: 'parked' })
      const retried = await letters.retry(options.all ? { all: true } : filter)
      const leads = (await readRelayProgress(session.log, relay))?.lease === 'held'
      const done = options.wait && leads
      if (done) await untilTried(session, relay, watched, retried, context)
      else if (!leads) log.say(`No relay ${relay} leads: it is done when one is started.`)
      const after = await countDeadLetters(session.log, relay, { ...watched, state: 'parked' })
      const refused = done ? Math.max(0, after - before + retried) : 0
      if (json) await printJson({ relay, retried, refused, done })
      else
        await print(
          `retried ${plural(retried, 'event')}${refused > 0 ? `, ${refused} of which were refused` : ''}`,
        )
      return refused === 0 ? EXIT.ok : EXIT.unhealthy
    }),
}

async function untilTried(
  { log }: Session,
  relay: string,
  filter: DeadLetterFilter,
  retried: number,
  { json, signal }: Context,
): Promise<void> {
  const progress = json ? undefined : new Progress('tried')
  try {
    for (;;) {
      const left = await countDeadLetters(log, relay, { ...filter, state: 'retrying' })
      if (left === 0) return
      progress?.update(Math.max(0, retried - left), retried)
      await sleep(POLL_MS, signal)
    }
  } finally {
    progress?.end()
  }
}

const POLL_MS = 500
