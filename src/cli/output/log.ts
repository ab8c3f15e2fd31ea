import { isOutboxError } from '../../errors.js'
import { Failure, UsageError } from '../exit-codes.js'
import { writeLine } from './stderr.js'
import { paintFor, visible } from './style.js'

export type Level = 'info' | 'warn' | 'error'
type Fields = Readonly<Record<string, unknown>>

/** What is told on the way, on stderr: lines for people, or one JSON object a line. stdout is for data. */
export class Log {
  readonly #json: boolean
  readonly #paint = paintFor(process.stderr)

  constructor(json: boolean) {
    this.#json = json
  }

  /** @param fields For machines, who do not read the message. */
  write(level: Level, message: string, fields: Fields = {}): void {
    const time = new Date()
    if (this.#json) writeLine(JSON.stringify({ time: time.toISOString(), level, message, ...fields }))
    else
      writeLine(
        `${this.#paint('dim', clock(time))} ${this.#paint(COLOURS[level], level.padEnd(5))} ${visible(message)}`,
      )
  }

  info(message: string, fields?: Fields): void {
    this.write('info', message, fields)
  }

  warn(message: string, fields?: Fields): void {
    this.write('warn', message, fields)
  }

  /** Without the time: for what a person has just asked for. */
  say(message: string): void {
    if (this.#json) this.write('info', message)
    else writeLine(message)
  }

  /** Why the command ends. A stack only for what nobody expected. */
  fail(error: unknown): void {
    const code = isOutboxError(error) ? error.code : undefined
    const known = code !== undefined || error instanceof UsageError || error instanceof Failure
    const { message, stack } = error instanceof Error ? error : { message: String(error), stack: undefined }
    const text = known ? message : (stack ?? message)
    if (this.#json) this.write('error', text, code === undefined ? {} : { code })
    else
      writeLine(
        `${this.#paint('red', 'error')} ${text}${code === undefined ? '' : this.#paint('dim', ` (${code})`)}`,
      )
  }
}

const COLOURS = { info: 'cyan', warn: 'yellow', error: 'red' } as const

function clock(time: Date): string {
  return time.toLocaleTimeString('en-GB')
}
