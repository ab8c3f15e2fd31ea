/** A mutant of the reader in the product's place: it does otherwise what it knows of, and the product does the rest. */
import type { LogReader } from '../../../src/event-log/log-reader.js'
import type { Subject } from '../subject.js'

export function beside(product: LogReader, mutant: Subject): LogReader {
  return new Proxy(product, {
    get: (_, name) => {
      if (name in mutant) return Reflect.get(mutant, name)
      const value = Reflect.get(product, name)
      return typeof value === 'function' ? value.bind(product) : value
    },
  })
}
