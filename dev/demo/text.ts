/** Numbers, bars and colours for people. */
import { styleText } from 'node:util'

const decimal = new Intl.NumberFormat('en-US')

/** `12,345` */
export function count(value: number): string {
  return decimal.format(value)
}

/** `3.14 ms` */
export function milliseconds(value: number): string {
  return `${value < 10 ? value.toFixed(2) : value.toFixed(1)} ms`
}

/** `━━━━━━━━───────` */
export function bar(share: number, width = 16): string {
  const full = Math.round(Math.min(1, share) * width)
  return '━'.repeat(full) + '─'.repeat(width - full)
}

export type Paint = (style: 'bold' | 'dim' | 'red' | 'green', text: string) => string

/** Colours for a terminal; none elsewhere, and none if `NO_COLOR` is set (no-color.org). */
export function paintFor(stream: { readonly isTTY?: boolean }): Paint {
  const colours = stream.isTTY === true && !process.env.NO_COLOR
  return (style, text) => (colours ? styleText(style, text) : text)
}
