import { print } from './stdout.js'

/** Something that is shown again and again: on a terminal in its own place, elsewhere one after the other. */
export class View {
  #lines = 0

  async show(text: string): Promise<void> {
    const { stdout } = process
    if (this.#lines > 0) {
      if (stdout.isTTY) {
        stdout.moveCursor(0, -this.#lines)
        stdout.clearScreenDown()
      } else await print('')
    }
    this.#lines = text.split('\n').length
    await print(text)
  }
}
