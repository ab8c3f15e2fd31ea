import { styleText } from 'node:util'

type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan'
export type Paint = (style: Style, text: string) => string

interface Stream {
  readonly isTTY?: boolean
}

/** Colours for a terminal; none elsewhere, and none if `NO_COLOR` is set (no-color.org). */
export function paintFor(stream: Stream): Paint {
  const colours = stream.isTTY === true && !process.env.NO_COLOR && process.env.TERM !== 'dumb'
  return (style, text) => (colours ? styleText(style, text) : text)
}

/** Text from the log, which may hold anything: what would move the cursor, or turn text around, is shown as `\u{…}`. */
export function visible(text: string): string {
  return text.replaceAll(
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu,
    (char) => `\\u{${char.codePointAt(0)?.toString(16)}}`,
  )
}
