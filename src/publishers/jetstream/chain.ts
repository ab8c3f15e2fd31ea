import { HeldBack } from './held-back.js'
import type { Entry } from './open-page.js'
import type { Order } from './pipeline.js'
import type { Ack } from './pub-ack.js'

/**
 * One event after the other, each on condition that the stream ends with the one before (compare and append). However
 * many are in flight, the server stores none after one that it did not store, and none of a relay that is behind.
 */
export class Chain implements Order {
  #waiting: Entry[] = []
  #taken = 0
  /** Refused for their place alone, since one before them was not stored: sent again when all have landed. */
  #again: Entry[] = []
  readonly #heldBack = new HeldBack()
  /** The stream's last sequence, as acknowledged. */
  #last: number
  /** And when everything that is in flight is stored. */
  #expected: number
  /** An event in flight was not appended: all that were sent after it are misplaced. */
  #torn = false

  constructor(lastSequence: number) {
    this.#last = lastSequence
    this.#expected = lastSequence
  }

  get intact(): boolean {
    return this.#heldBack.none
  }

  forgive(): void {
    this.#heldBack.clear()
  }

  add(entry: Entry): boolean {
    if (this.#heldBack.holds(entry.event)) return false
    this.#waiting.push(entry)
    return true
  }

  next(): Entry | undefined {
    while (!this.#torn) {
      const entry = this.#waiting[this.#taken]
      if (entry === undefined) {
        this.#waiting.length = 0
        this.#taken = 0
        return undefined
      }
      this.#taken++
      if (this.#heldBack.holds(entry.event)) entry.page.heldBack()
      else {
        entry.expectedLast = this.#expected++
        return entry
      }
    }
    return undefined
  }

  acknowledged(entry: Entry, { seq, duplicate }: Ack): void {
    // A duplicate was there already: nothing was appended.
    if (duplicate) this.#missing(entry)
    else this.#last = seq
  }

  refused(entry: Entry): void {
    this.#heldBack.refused(entry.event)
    this.#missing(entry)
  }

  /** What was sent after the entry cannot be stored; if nothing was, the next one takes its place. */
  #missing(entry: Entry): void {
    if (entry.expectedLast === this.#expected - 1) this.#expected--
    else this.#torn = true
  }

  misplaced(entry: Entry): boolean {
    if (this.#torn) this.#again.push(entry)
    return this.#torn
  }

  landed(): void {
    if (!this.#torn) return
    this.#torn = false
    this.#expected = this.#last
    const again = this.#again.sort((a, b) => (a.expectedLast ?? 0) - (b.expectedLast ?? 0))
    this.#waiting = [...again, ...this.#waiting.slice(this.#taken)]
    this.#taken = 0
    this.#again = []
  }
}
