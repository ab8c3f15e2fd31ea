/**
 * Types of events as the values of a label. An application defines so many; but rows that were made by hand may say
 * anything, and a label must not take whatever comes.
 */
export class EventTypes {
  readonly #known = new Set<string>()

  labelOf(type: string): string {
    if (this.#known.has(type)) return type
    if (this.#known.size === MAX_TYPES) return 'other'
    this.#known.add(type)
    return type
  }
}

const MAX_TYPES = 100

/** How often each occurs. */
export function countByType(events: Iterable<{ readonly type: string }>): Map<string, number> {
  const counts = new Map<string, number>()
  for (const { type } of events) counts.set(type, (counts.get(type) ?? 0) + 1)
  return counts
}
