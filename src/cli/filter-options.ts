/** Ways to name events, the same in every command. */
import { InvalidArgumentError, Option } from 'commander'
import { pointInTime } from './parsers.js'

export interface AggregateName {
  readonly type: string
  readonly id?: string
}

export const aggregateOption = new Option(
  '--aggregate <type/id>',
  'of one aggregate, such as order/1; or of all of a type, such as order',
).argParser(aggregateName)

export const typeOption = new Option('--type <type>', 'of this type, such as order.placed')

/** @param moment What the times are those of: `recorded`. */
export function timeOptions(moment: string): Option[] {
  return [
    new Option('--since <time>', `${moment} since then: 2026-11-21T10:00:00Z, or how long ago: 2h`).argParser(
      pointInTime,
    ),
    new Option('--until <time>', `${moment} before then`).argParser(pointInTime),
  ]
}

/** An aggregate's type has no slash; its id may. */
function aggregateName(text: string): AggregateName {
  const [, type = '', id] = /^([^/]*)(?:\/(.*))?$/s.exec(text) ?? []
  if (type === '' || id === '')
    throw new InvalidArgumentError('It must be a type, or a type and an id: order/1.')
  return id === undefined ? { type } : { type, id }
}

export function eventId(text: string): string {
  if (/^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i.test(text)) return text
  throw new InvalidArgumentError("It must be an event's id, a UUID.")
}
