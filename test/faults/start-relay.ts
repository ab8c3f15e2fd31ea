import { startChild } from '../support/child.js'
import type { RelayProcessOptions } from './fixtures/relay-process.js'

type Word = 'leads' | 'published' | 'frozen' | 'woken' | 'drained'

/**
 * A relay in a process of its own. `says(word)` waits until it says that, and gives the numbers that it says with it;
 * `hears` is for what it says meanwhile.
 */
export function startRelay(options: RelayProcessOptions) {
  const child = startChild(new URL('fixtures/relay-process.ts', import.meta.url), JSON.stringify(options))
  return {
    ...child,
    says: async (word: Word, hears: (said: string, numbers: number[]) => void = () => {}) => {
      for (;;) {
        const line = await child.line()
        if (line === undefined) throw new Error(`the relay ended, and did not say ${word}`)
        const [said, ...rest] = line.split(' ')
        const numbers = rest.map(Number)
        if (said === word) return numbers
        hears(said ?? '', numbers)
      }
    },
  }
}
