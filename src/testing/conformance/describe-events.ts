import type { RecordedEvent } from '../../events/domain-event.js'

/** An event as messages call it. */
export function nameOf({ aggregateId, aggregateVersion }: RecordedEvent): string {
  return `${JSON.stringify(aggregateId)} ${aggregateVersion}`
}

/** The first few of many. */
export function listOf(items: readonly string[], separator = ', '): string {
  if (items.length === 0) return 'none'
  const more = items.length - MANY
  return items.slice(0, MANY).join(separator) + (more > 0 ? ` and ${more} more` : '')
}

const MANY = 5

export function aggregateOf({ aggregateType, aggregateId }: RecordedEvent): string {
  return JSON.stringify([aggregateType, aggregateId])
}
