import type { DeadLetter } from '../../event-log/find-dead-letters.js'
import { timeText } from './event-text.js'
import { type Paint, visible } from './style.js'
import { type Column, renderFields, renderTable } from './table.js'
import { count } from './units.js'

const COLUMNS: readonly Column<DeadLetter>[] = [
  { title: 'event', cell: ({ eventId }) => eventId },
  { title: 'type', cell: ({ type }) => visible(type) },
  { title: 'aggregate', cell: aggregateText },
  {
    title: 'state',
    cell: ({ state }) => state,
    style: ({ state }) => (state === 'parked' ? 'red' : state === 'retrying' ? 'yellow' : undefined),
  },
  { title: 'attempts', align: 'right', cell: ({ attempts }) => count(attempts) },
  { title: 'waiting', align: 'right', cell: ({ waiting }) => count(waiting) },
  { title: 'error', cell: ({ error }) => visible(error?.message ?? '') },
]

export function renderDeadLetters(letters: readonly DeadLetter[], paint: Paint): string {
  return renderTable(COLUMNS, letters, paint)
}

export function renderDeadLetter(letter: DeadLetter, paint: Paint): string {
  const { relay, eventId, position, type, state, holds, waiting, attempts, error } = letter
  const { firstFailedAt, lastFailedAt, nextAttemptAt, resolvedAt } = letter
  const time = (at: Date | undefined) => (at === undefined ? '-' : timeText(at))
  const fields: [string, string][] = [
    ['event', eventId],
    ['relay', relay],
    ['position', String(position)],
    ['type', visible(type)],
    ['aggregate', aggregateText(letter)],
    ['state', state],
    ['later events', holds ? `wait for it: ${count(waiting)}` : 'do not wait for it'],
    ['attempts', count(attempts)],
    ['error', error === undefined ? '-' : visible(`${error.message} (${error.code})`)],
    ['failed first', time(firstFailedAt)],
    ['failed last', time(lastFailedAt)],
    ['next attempt', time(nextAttemptAt)],
    ['resolved', time(resolvedAt)],
  ]
  return renderFields(fields, paint)
}

/** Every field, whether there is something in it or not. */
export function letterJson(letter: DeadLetter) {
  const { error, firstFailedAt, lastFailedAt, nextAttemptAt, resolvedAt } = letter
  return { ...letter, error, firstFailedAt, lastFailedAt, nextAttemptAt, resolvedAt }
}

function aggregateText({ aggregateType, aggregateId }: DeadLetter): string {
  return visible(`${aggregateType}/${aggregateId}`)
}
