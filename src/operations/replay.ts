import { invalidOption } from '../errors.js'
import {
  findReplayRange,
  type ReplayRange,
  type ReplayStart,
  requestReplay,
  withdrawReplay,
} from '../event-log/replay.js'
import type { AnyOutboxDb } from '../transaction/outbox-db.js'

export interface ReplayOptions {
  /** Where to begin: a position in the log, a time, or an event. Everything that the log retains after it comes too. */
  readonly from: ReplayStart
  /** The relay's name. @default 'default' */
  readonly relay?: string
  /** Only says what would be published again. @default false */
  readonly dryRun?: boolean
}

/**
 * Has a relay publish events again that it has published before, such as after the broker lost its stream. They come in
 * the order of the log, with the CloudEvents extension `redelivery` and message ids of their own, so that the broker does
 * not take them for duplicates; their event ids are the same, and an inbox knows them by those. Events that an operator
 * has discarded stay out. New events are published after the replay.
 *
 * The relay that leads begins again at once; it may run in any process.
 *
 * @example
 * ```ts
 * const { events } = await replay(db, { from: { time: new Date('2026-11-01T00:00:00Z') } })
 * ```
 * @returns from which position, and how many events the log retains from there on.
 * @throws `ERR_OUTBOX_OPTION_INVALID`, also when there is no relay of that name. The relay itself pauses with
 * `ERR_OUTBOX_REPLAY_REFUSED` when it publishes with `ordering: 'stream'` and the stream is not empty.
 */
export async function replay(
  db: AnyOutboxDb,
  { from, relay = 'default', dryRun = false }: ReplayOptions,
): Promise<ReplayRange> {
  checkStart(from)
  const { log } = db['~drizzle-outbox']
  const range = await findReplayRange(log, from)
  if (dryRun || range.position === undefined) return range
  if (!(await requestReplay(log, relay, range.position)))
    throw invalidOption('relay', `there is no relay ${relay}`)
  return range
}

/**
 * Ends a replay before its end. @returns false if there is none.
 *
 * @param options `relay`: its name. Default 'default'.
 */
export async function cancelReplay(
  db: AnyOutboxDb,
  { relay = 'default' }: { readonly relay?: string } = {},
): Promise<boolean> {
  return withdrawReplay(db['~drizzle-outbox'].log, relay)
}

function checkStart(from: ReplayStart): void {
  const { position, time, eventId }: Partial<Record<string, unknown>> = { ...from }
  if ([position, time, eventId].filter((one) => one !== undefined).length !== 1)
    throw invalidOption('from', 'must have one of position, time and eventId')
  if (position !== undefined && !(Number.isSafeInteger(position) && Number(position) > 0))
    throw invalidOption('from.position', 'must be a positive whole number')
  if (time !== undefined && !(time instanceof Date && !Number.isNaN(time.getTime())))
    throw invalidOption('from.time', 'must be a valid date')
  if (eventId !== undefined && !/^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i.test(String(eventId)))
    throw invalidOption('from.eventId', "must be an event's id, a UUID")
}
