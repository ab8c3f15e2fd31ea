import { Argument, Option } from 'commander'
import { browseLog, currentSnapshot, type EventFilter } from '../../event-log/browse.js'
import type { RecordedEvent } from '../../events/domain-event.js'
import { sleep } from '../../relay/sleep.js'
import type { CommandSpec, Context } from '../command.js'
import { EXIT, Failure } from '../exit-codes.js'
import { type AggregateName, aggregateOption, eventId, timeOptions, typeOption } from '../filter-options.js'
import { eventDetails, eventJson, eventLine } from '../output/event-text.js'
import { print } from '../output/stdout.js'
import { paintFor } from '../output/style.js'
import { wholeNumber } from '../parsers.js'
import {
  configOption,
  type Session,
  type SessionOptions,
  WHOLE_LOG_TIMEOUT_MS,
  withSession,
} from '../session.js'

interface EventsOptions extends SessionOptions {
  readonly id?: string
  readonly aggregate?: AggregateName
  readonly type?: string
  readonly since?: Date
  readonly until?: Date
  readonly limit: number
  readonly all?: true
  readonly follow?: true
  readonly details?: true
}

export const eventsCommand: CommandSpec<EventsOptions> = {
  name: 'events',
  summary: 'browse the log, and follow it',
  description: `Shows the last events of the log, published or not: by aggregate, type or time, or one by its id with all
that it holds. What is not recent takes as long as the log is: only positions have an index.`,
  args: [new Argument('[id]', 'the id of an event').argParser(eventId)],
  options: [
    configOption,
    aggregateOption,
    typeOption,
    ...timeOptions('recorded'),
    new Option('-n, --limit <events>', 'how many, the last ones').argParser(wholeNumber).default(20),
    new Option('--all', 'from the beginning of the log').conflicts('limit'),
    new Option('-f, --follow', 'and those to come, until it is stopped'),
    new Option('-d, --details', 'with data and metadata'),
  ],
  json: true,
  examples: [
    ['events', 'the last 20'],
    ['events --aggregate order/1', 'what happened to one aggregate'],
    ['events --type order.placed --since 2h --follow', 'as they are committed'],
    ['events 0190c2a5-7c1e-7b6e-8f43-0d6f5f4b8d11', 'one, with its data'],
    ["events --all --json | jq '.data.total'", 'everything, for machines'],
  ],
  run: (options, context) =>
    withSession({ ...options, statementTimeoutMs: WHOLE_LOG_TIMEOUT_MS }, context, async (session) => {
      const printEvent = printerOf(options, context)
      if (!options.follow) await show(session, options, printEvent)
      else
        await follow(session, options, printEvent, context.signal).catch((error) => {
          if (!context.signal.aborted) throw error
        })
      return EXIT.ok
    }),
}

type Print = (event: RecordedEvent) => Promise<void>

/** @param seenBy Only what this snapshot sees. */
async function show(
  session: Session,
  options: EventsOptions,
  printEvent: Print,
  seenBy?: string,
): Promise<void> {
  const { all, id, limit } = options
  const filter = filterOf(options)
  if (all) return printAll(session, filter, printEvent, { seenBy })
  const { source } = session.db['~drizzle-outbox']
  const events = await browseLog(session.log, source, filter, { seenBy, limit, end: 'last' })
  if (id !== undefined && events.length === 0) throw new Failure(`the log has no event ${id}`)
  for (const event of events) await printEvent(event)
}

/**
 * By snapshots, not by position: an event may become visible after one with a higher position, and would never be shown.
 */
async function follow(
  session: Session,
  options: EventsOptions,
  printEvent: Print,
  signal: AbortSignal,
): Promise<void> {
  let seen = await currentSnapshot(session.log)
  await show(session, options, printEvent, seen)
  while (!signal.aborted) {
    await sleep(FOLLOW_MS, signal)
    const now = await currentSnapshot(session.log)
    if (now !== seen) await printAll(session, filterOf(options), printEvent, { unseenBy: seen, seenBy: now })
    seen = now
  }
}

const FOLLOW_MS = 500
const PAGE = 1000

async function printAll(
  { log, db }: Session,
  filter: EventFilter,
  printEvent: Print,
  snapshots: { readonly unseenBy?: string; readonly seenBy?: string | undefined },
): Promise<void> {
  const { source } = db['~drizzle-outbox']
  for (let after = 0; ; ) {
    const events = await browseLog(log, source, filter, { ...snapshots, after, limit: PAGE, end: 'first' })
    for (const event of events) await printEvent(event)
    if (events.length < PAGE) return
    after = events.at(-1)!.position
  }
}

function filterOf({ id, aggregate, type, since, until }: EventsOptions): EventFilter {
  return { id, aggregateType: aggregate?.type, aggregateId: aggregate?.id, type, since, until }
}

function printerOf({ details, id }: EventsOptions, { json }: Context): Print {
  const paint = paintFor(process.stdout)
  if (json) return (event) => print(eventJson(event))
  if (details || id !== undefined) return (event) => print(`${eventDetails(event, paint)}\n`)
  return (event) => print(eventLine(event, paint))
}
