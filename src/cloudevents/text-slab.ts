/**
 * Encodes short texts one after the other into a shared block of memory, where a buffer of its own for each would cost more
 * than what is written to it. Nothing is written twice: whoever holds a part of a block may keep it.
 */
export class TextSlab {
  #block = Buffer.alloc(0)
  #used = 0

  /** As UTF-8. */
  encode(text: string): Buffer {
    const mostBytes = text.length * 3
    if (mostBytes > BLOCK_BYTES / 8) return Buffer.from(text)
    if (this.#block.length - this.#used < mostBytes) {
      this.#block = Buffer.allocUnsafeSlow(BLOCK_BYTES)
      this.#used = 0
    }
    const start = this.#used
    this.#used += this.#block.write(text, start)
    return this.#block.subarray(start, this.#used)
  }
}

const BLOCK_BYTES = 65_536
