import { Option } from 'commander'
import { readRelayProgress } from '../../event-log/log-statistics.js'
import type { ReplayRange, ReplayStart } from '../../event-log/replay.js'
import { cancelReplay, replay } from '../../operations/replay.js'
import { sleep } from '../../relay/sleep.js'
import { confirm, yesOption } from '../ask.js'
import type { CommandSpec, Context } from '../command.js'
import { EXIT, type ExitCode, Failure, UsageError } from '../exit-codes.js'
import { eventId } from '../filter-options.js'
import { Progress } from '../output/progress.js'
import { print, printJson } from '../output/stdout.js'
import { plural } from '../output/units.js'
import { pointInTime, wholeNumber } from '../parsers.js'
import {
  configOption,
  type Session,
  type SessionOptions,
  WHOLE_LOG_TIMEOUT_MS,
  withSession,
} from '../session.js'
import { relayNameOf, relayOption } from '../worker/worker-settings.js'

interface ReplayCommandOptions extends SessionOptions {
  readonly relay?: string
  readonly position?: number
  readonly time?: Date
  readonly event?: string
  readonly all?: true
  readonly cancel?: true
  readonly dryRun?: true
  readonly yes?: true
  readonly wait: boolean
}

export const replayCommand: CommandSpec<ReplayCommandOptions> = {
  name: 'replay',
  summary: 'publish again what was published before',
  description: `Has a relay publish again all that the log retains from some place on, such as after the broker lost its
stream. The events keep their ids; their message ids are new, so that the broker does not drop them as duplicates.
A consumer without an inbox sees them twice. New events come after the replay.

Waits until it is done, if a relay leads. Ending the command does not end the replay: --cancel does.`,
  options: [
    configOption,
    relayOption,
    new Option('--time <time>', 'from then on: 2026-11-21T10:00:00Z, or how long ago: 2h').argParser(
      pointInTime,
    ),
    new Option('--event <id>', 'from this event on').argParser(eventId),
    new Option('--position <position>', 'from this position in the log on').argParser(wholeNumber),
    new Option('--all', 'from the beginning of the log'),
    new Option('--cancel', 'end a replay that has begun'),
    new Option('--dry-run', 'only say how much it would be'),
    new Option('--no-wait', 'end at once'),
    yesOption,
  ],
  json: true,
  examples: [
    ['replay --time 2h --dry-run', 'how much would that be?'],
    ['replay --all --yes', 'all of it, without being asked'],
    ['replay --cancel', 'that was a mistake'],
  ],
  run: (options, context) =>
    withSession({ ...options, statementTimeoutMs: WHOLE_LOG_TIMEOUT_MS }, context, async (session) => {
      const relay = relayNameOf(options, session.config.relay)
      if (options.cancel) return cancel(session, relay, context)
      const from = startOf(options)
      const range = await replay(session.guardedDb, { relay, from, dryRun: true })
      if (options.dryRun || range.position === undefined)
        return report({ relay, range, done: false }, context)
      const before = await readRelayProgress(session.log, relay)
      if (before === undefined)
        throw new Failure(`there is no relay ${relay}, so it has published nothing yet`)
      await confirm(
        `Relay ${relay} will publish ${plural(range.events, 'event')} again, from position ${range.position} on.
Consumers without an inbox will see them twice.`,
        options.yes,
        context.signal,
      )
      await replay(session.guardedDb, { relay, from })
      const wait = options.wait && before.lease === 'held'
      if (wait) await watch(session, relay, range.events, context)
      else if (before.lease !== 'held')
        context.log.say(`No relay ${relay} leads: it begins when one is started.`)
      return report({ relay, range, done: wait }, context)
    }),
}

function startOf({ position, time, event, all }: ReplayCommandOptions): ReplayStart {
  const given = [position, time, event, all].filter((value) => value !== undefined)
  if (given.length !== 1) throw new UsageError('say from where: --time, --event, --position or --all')
  if (time !== undefined) return { time }
  if (event !== undefined) return { eventId: event }
  return { position: position ?? 1 }
}

async function cancel({ guardedDb }: Session, relay: string, { json }: Context): Promise<ExitCode> {
  const cancelled = await cancelReplay(guardedDb, { relay })
  if (json) await printJson({ relay, cancelled })
  else await print(cancelled ? `the replay of relay ${relay} is ended` : `relay ${relay} has no replay`)
  return EXIT.ok
}

async function watch(
  { log }: Session,
  relay: string,
  total: number,
  { json, signal }: Context,
): Promise<void> {
  const progress = json ? undefined : new Progress('published again')
  try {
    for (;;) {
      const now = await readRelayProgress(log, relay)
      if (!now?.replaying) return
      progress?.update(Math.max(0, total - now.pendingEvents), total)
      await sleep(POLL_MS, signal)
    }
  } finally {
    progress?.end()
  }
}

const POLL_MS = 500

interface Replayed {
  readonly relay: string
  readonly range: ReplayRange
  readonly done: boolean
}

async function report({ relay, range, done }: Replayed, { json }: Context): Promise<ExitCode> {
  const { position, events } = range
  if (json) await printJson({ relay, position, events, done })
  else if (position === undefined) await print('the log retains nothing from there on')
  else
    await print(`${plural(events, 'event')} from position ${position} on${done ? ': published again' : ''}`)
  return EXIT.ok
}
