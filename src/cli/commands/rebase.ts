import { Option } from 'commander'
import { wasMoved } from '../../event-log/rebase.js'
import { rebaseOutbox } from '../../operations/rebase-outbox.js'
import { confirm, yesOption } from '../ask.js'
import type { CommandSpec } from '../command.js'
import { EXIT } from '../exit-codes.js'
import { print, printJson } from '../output/stdout.js'
import { configOption, type SessionOptions, WHOLE_LOG_TIMEOUT_MS, withSession } from '../session.js'

interface RebaseOptions extends SessionOptions {
  readonly upgraded?: true
  readonly yes?: true
}

export const rebaseCommand: CommandSpec<RebaseOptions> = {
  name: 'rebase',
  summary: 'carry the checkpoints over after the database was moved',
  description: `Carries the checkpoints of all relays over into the database cluster that the log was moved to, by a dump
or by logical replication: each relay goes on exactly where it was. A relay that starts does so by itself, if its role
may. Writers wait while every row of the log is written anew.`,
  options: [
    configOption,
    new Option('--upgraded', 'it was pg_upgrade, which keeps transaction ids: no row is written anew'),
    yesOption,
  ],
  json: true,
  examples: [
    ['rebase', 'after a dump was restored'],
    ['rebase --upgraded', 'after pg_upgrade, before relays start'],
  ],
  run: (options, context) =>
    withSession(
      { ...options, statementTimeoutMs: WHOLE_LOG_TIMEOUT_MS },
      context,
      async ({ guardedDb, log }) => {
        const upgraded = options.upgraded === true
        const moved = await wasMoved(log)
        if (moved && !upgraded)
          await confirm(
            'The checkpoints will be carried over. Writers wait while every row of the log is written anew.',
            options.yes,
            context.signal,
          )
        const rebased = moved && (await rebaseOutbox(guardedDb, { upgraded }))
        if (context.json) await printJson({ rebased })
        else await print(rebased ? 'the checkpoints are of this database cluster now' : 'nothing to do')
        return EXIT.ok
      },
    ),
}
