/** stderr takes lines; on a terminal the last one may be how far something is, which the next one replaces. */
let drawn = false

export function writeLine(text: string): void {
  eraseDrawn()
  process.stderr.write(`${text}\n`)
}

/** On a terminal. */
export function drawLine(text: string): void {
  process.stderr.cursorTo(0)
  process.stderr.write(text)
  process.stderr.clearLine(1)
  drawn = true
}

export function eraseDrawn(): void {
  if (!drawn) return
  process.stderr.cursorTo(0)
  process.stderr.clearLine(0)
  drawn = false
}
