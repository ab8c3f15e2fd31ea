import { drawLine, eraseDrawn, writeLine } from './stderr.js'
import { paintFor } from './style.js'
import { count, duration } from './units.js'

/**
 * How far long work is, on stderr: a bar that moves on a terminal, elsewhere a line every ten seconds. Nothing is drawn
 * for what is done within the first moment.
 */
export class Progress {
  readonly #label: string
  readonly #startedAt = performance.now()
  readonly #timer: NodeJS.Timeout
  #done = 0
  #total: number | undefined

  constructor(label: string) {
    this.#label = label
    this.#timer = setInterval(() => this.#draw(), process.stderr.isTTY ? TERMINAL_MS : ELSEWHERE_MS)
    this.#timer.unref()
  }

  /** @param total As it is known now; undefined: nobody knows. */
  update(done: number, total = this.#total): void {
    this.#done = done
    this.#total = total
  }

  /** The bar disappears: what follows says how it ended. */
  end(): void {
    clearInterval(this.#timer)
    eraseDrawn()
  }

  #draw(): void {
    if (process.stderr.isTTY) drawLine(this.#line(true))
    else writeLine(this.#line(false))
  }

  #line(withBar: boolean): string {
    const elapsed = performance.now() - this.#startedAt
    const rate = `${count(Math.round(this.#done / (elapsed / 1000)))}/s`
    if (!this.#total) return `${this.#label} ${count(this.#done)}, ${rate}`
    const share = Math.min(1, this.#done / this.#total)
    const left = share > 0 ? `, ${duration((elapsed / share) * (1 - share))} left` : ''
    const bar = withBar ? `${this.#bar(share)} ` : ''
    return `${this.#label} ${bar}${count(this.#done)} of ${count(this.#total)}, ${rate}${left}`
  }

  #bar(share: number): string {
    const paint = paintFor(process.stderr)
    const full = Math.round(share * BAR_WIDTH)
    return paint('green', '━'.repeat(full)) + paint('dim', '─'.repeat(BAR_WIDTH - full))
  }
}

const BAR_WIDTH = 24
const TERMINAL_MS = 100
const ELSEWHERE_MS = 10_000
