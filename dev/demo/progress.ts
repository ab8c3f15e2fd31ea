/** How far we are: one line that changes on a terminal, a line every few seconds elsewhere. */
import type { WriteStream } from 'node:tty'

export interface Progress {
  /** Shown on a terminal only. */
  say(line: string): void
  /** Asks for the line to show, again and again, until `end`. */
  follow(line: () => string): void
  /** Nothing more is shown, and on a terminal the line disappears. */
  end(): void
}

const TERMINAL_MS = 80
const ELSEWHERE_MS = 2_000

export function createProgress(stream: NodeJS.WriteStream): Progress {
  let timer: NodeJS.Timeout | undefined
  const terminal = stream.isTTY ? (stream as WriteStream) : undefined

  const rewrite = (line: string) => {
    terminal?.cursorTo(0)
    terminal?.write(line.slice(0, (terminal.columns || 80) - 1))
    terminal?.clearLine(1)
  }
  const end = () => {
    clearInterval(timer)
    timer = undefined
    rewrite('')
  }
  return {
    say: rewrite,
    follow: (line) => {
      end()
      const show = terminal ? () => rewrite(line()) : () => stream.write(`${line()}\n`)
      timer = setInterval(show, terminal ? TERMINAL_MS : ELSEWHERE_MS)
      timer.unref()
    },
    end,
  }
}

/** For tests. */
export const noProgress: Progress = { say: () => {}, follow: () => {}, end: () => {} }
