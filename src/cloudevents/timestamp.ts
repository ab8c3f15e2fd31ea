/** Times as CloudEvents writes them (RFC 3339). Events that come in order share most of it: a second is formatted once. */
export class Timestamps {
  #second = Number.NaN
  /** Up to the full stop. */
  #text = ''

  format(time: Date): string {
    const ms = time.getTime()
    const second = Math.floor(ms / 1000)
    if (second !== this.#second) {
      this.#text = time.toISOString().slice(0, -4)
      this.#second = second
    }
    return `${this.#text}${String(ms - second * 1000).padStart(3, '0')}Z`
  }
}
