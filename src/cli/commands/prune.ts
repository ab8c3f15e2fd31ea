import { Option } from 'commander'
import { browseLog } from '../../event-log/browse.js'
import { DEFAULT_RETENTION_MS } from '../../event-log/retention.js'
import { pruneOutbox } from '../../operations/prune-outbox.js'
import { confirm, yesOption } from '../ask.js'
import type { CommandSpec } from '../command.js'
import { EXIT } from '../exit-codes.js'
import { Progress } from '../output/progress.js'
import { print, printJson } from '../output/stdout.js'
import { duration, plural } from '../output/units.js'
import { milliseconds } from '../parsers.js'
import { configOption, type Session, type SessionOptions, withSession } from '../session.js'

interface PruneCommandOptions extends SessionOptions {
  readonly olderThan?: number
  readonly yes?: true
}

export const pruneCommand: CommandSpec<PruneCommandOptions> = {
  name: 'prune',
  summary: 'delete old events from the log',
  description: `Deletes events that every relay has published and that are old enough. Dead letters stay, and so does what a
relay that does not run any more has not published. Relays do this by themselves, unless their retentionMs is false.`,
  options: [
    configOption,
    new Option(
      '--older-than <duration>',
      'how old: 7d (default: retentionMs of the configuration, or 7d)',
    ).argParser(milliseconds),
    yesOption,
  ],
  json: true,
  examples: [
    ['prune --older-than 30d --yes', 'for cron, where no relay does it'],
    ['prune --older-than 0s', 'all that is published'],
  ],
  run: (options, context) =>
    withSession(options, context, async (session) => {
      const { json, signal } = context
      const { retentionMs } = session.config.relay ?? {}
      const configured = typeof retentionMs === 'number' ? retentionMs : DEFAULT_RETENTION_MS
      const olderThanMs = options.olderThan ?? configured
      const which = olderThanMs === 0 ? 'All events' : `Events older than ${duration(olderThanMs)}`
      await confirm(
        `${which} that every relay has published will be deleted from the log for good.`,
        options.yes,
        signal,
      )
      const end = await lastPosition(session)
      const progress = json ? undefined : new Progress('position')
      const onProgress = ({ position }: { readonly position: number }) => progress?.update(position, end)
      const deleted = await pruneOutbox(session.guardedDb, { olderThanMs, onProgress, signal }).finally(() =>
        progress?.end(),
      )
      if (json) await printJson({ deleted, olderThanMs })
      else await print(`deleted ${plural(deleted, 'event')}`)
      return EXIT.ok
    }),
}

async function lastPosition({ log, db }: Session): Promise<number> {
  const [last] = await browseLog(log, db['~drizzle-outbox'].source, {}, { limit: 1, end: 'last' })
  return last?.position ?? 0
}
