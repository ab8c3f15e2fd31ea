/** What the `dead` commands have in common: which relay, and which of its dead letters. */
import { Argument, Option } from 'commander'
import type { DeadLetterFilter } from '../../../event-log/find-dead-letters.js'
import { readRelayNames } from '../../../event-log/log-statistics.js'
import { type DeadLetterOperations, deadLetters } from '../../../operations/dead-letters.js'
import type { Context } from '../../command.js'
import { EXIT, type ExitCode, UsageError } from '../../exit-codes.js'
import {
  type AggregateName,
  aggregateOption,
  eventId,
  timeOptions,
  typeOption,
} from '../../filter-options.js'
import { print, printJson } from '../../output/stdout.js'
import { configOption, type Session, type SessionOptions, withSession } from '../../session.js'
import { relayNameOf, relayOption } from '../../worker/worker-settings.js'

export interface DeadOptions extends SessionOptions {
  readonly relay?: string
  readonly id?: string
  readonly aggregate?: AggregateName
  readonly type?: string
  readonly since?: Date
  readonly until?: Date
}

export interface Target {
  readonly session: Session
  readonly relay: string
  readonly letters: DeadLetterOperations
  readonly filter: DeadLetterFilter
}

export const commonOptions = [configOption, relayOption]
export const filterOptions = [aggregateOption, typeOption, ...timeOptions('failed last')]
export const allOption = new Option('--all', 'all of them')

export function idArgument(name: '[id]' | '<id>'): Argument {
  return new Argument(name, 'the id of an event').argParser(eventId)
}

export function withLetters<T>(
  options: DeadOptions,
  context: Context,
  use: (target: Target) => Promise<T>,
): Promise<T> {
  return withSession(options, context, (session) => {
    const { id, aggregate, type, since, until } = options
    const relay = relayNameOf(options, session.config.relay)
    const filter = { id, aggregate, type, since, until }
    return use({ session, relay, letters: deadLetters(session.guardedDb, { relay }), filter })
  })
}

export interface ChangeOptions extends DeadOptions {
  readonly all?: true
  readonly yes?: true
}

/** @throws UsageError unless it is said which ones to change. */
export function checkChosen({ id, aggregate, type, since, until, all }: ChangeOptions): void {
  const chosen = [id, aggregate, type, since, until].some((value) => value !== undefined)
  if (chosen === (all === true))
    throw new UsageError('say which: an id, --aggregate, --type, --since, --until, or --all of them')
}

/** That nothing is like that is no failure: it may have been done before. */
export async function reportNothing(
  { session, relay }: Pick<Target, 'session' | 'relay'>,
  result: Readonly<Record<string, unknown>>,
  { json }: Context,
): Promise<ExitCode> {
  if (json) await printJson({ relay, ...result })
  else await print(`${await noneOf(session, relay)} Nothing to do.`)
  return EXIT.ok
}

/** A name that was mistyped must not look like a relay without trouble. */
export async function noneOf({ log }: Session, relay: string): Promise<string> {
  const names = await readRelayNames(log)
  if (names.includes(relay)) return `Relay ${relay} has no dead letters that match.`
  const known = names.length === 0 ? 'none has' : `those that have: ${names.join(', ')}`
  return `No relay ${relay} has ever run on this log; ${known}.`
}
