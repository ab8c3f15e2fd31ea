import { HeldBack } from './held-back.js'
import type { Entry } from './open-page.js'
import type { Order } from './pipeline.js'

/**
 * Many aggregates in flight, and one event of each: an aggregate's next event leaves when the one before is
 * acknowledged, so none can be stored out of order, whatever is lost on the way.
 */
export class Lanes implements Order {
  readonly #ready: Entry[] = []
  #taken = 0
  /** The last event of each aggregate that has one on its way. */
  readonly #last = new Map<string, Entry>()
  readonly #heldBack = new HeldBack()

  get intact(): boolean {
    return this.#heldBack.none
  }

  forgive(): void {
    this.#heldBack.clear()
  }

  add(entry: Entry): boolean {
    const { aggregateId } = entry.event // of any type: two aggregates that share an id take turns
    if (this.#heldBack.holds(entry.event)) return false
    const before = this.#last.get(aggregateId)
    if (before === undefined) this.#ready.push(entry)
    else before.next = entry
    this.#last.set(aggregateId, entry)
    return true
  }

  next(): Entry | undefined {
    const entry = this.#ready[this.#taken]
    if (entry === undefined) return undefined
    this.#taken++
    if (this.#taken === this.#ready.length) {
      this.#ready.length = 0
      this.#taken = 0
    }
    return entry
  }

  acknowledged(entry: Entry): void {
    if (entry.next !== undefined) this.#ready.push(entry.next)
    else this.#last.delete(entry.event.aggregateId)
  }

  refused(entry: Entry): void {
    this.#heldBack.refused(entry.event)
    this.#last.delete(entry.event.aggregateId)
    for (let held = entry.next; held !== undefined; held = held.next) held.page.heldBack()
  }

  misplaced(): boolean {
    return false
  }

  landed(): void {}
}
