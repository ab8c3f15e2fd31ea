import { isOutboxError } from './errors.js'

/**
 * Errors of drivers, clients and the user's own functions, as far as they may be repeated in errors, events and logs of
 * ours: a statement's parameters, what a server says in detail of a row, and the address of a server hold data and
 * passwords. test/observability/canaries.test.ts plants some everywhere.
 */

/** One line of bounded length, without what stands before the `@` of an address. */
export function safeText(text: string): string {
  const line = text.replace(USER_INFO, '$1').replace(UNPRINTABLE, '\ufffd')
  return line.length > MAX_TEXT ? `${line.slice(0, MAX_TEXT)}…` : line
}

/** Of `nats://user:password@host`, which errors about addresses repeat. A password may hold any character. */
const USER_INFO = /(:\/\/).*@/g
const UNPRINTABLE = /\p{C}/gu
const MAX_TEXT = 500

/**
 * A copy of the error at the end of a chain of causes, with its message and what programs tell it by. Whatever else it
 * has, and what has wrapped it, is left out: `DrizzleQueryError` has the statement with its parameters in its message.
 */
export class ForeignError extends Error {
  /** Such as an SQLSTATE, or `ECONNREFUSED`. */
  declare readonly code?: string | number
  /** Of the system. Not there, rather than undefined: `sqlState` looks whether it is. */
  declare readonly errno?: string | number

  constructor(error: unknown) {
    const root = rootOf(error)
    super(safeText(root.message))
    this.name = safeText(root.name)
    const { code, errno } = root as Partial<ForeignError>
    if (isCode(code)) this.code = code
    if (isCode(errno)) this.errno = errno
    const frames = framesOf(root)
    this.stack = [`${this.name}: ${this.message}`, ...frames].join('\n')
  }
}

/** One of our errors as it is, any other as far as it may be repeated. */
export function safeError(error: unknown): Error {
  return isOutboxError(error) ? error : new ForeignError(error)
}

function isCode(value: unknown): value is string | number {
  return typeof value === 'number' || (typeof value === 'string' && /^\w{1,64}$/.test(value))
}

function rootOf(error: unknown): Error {
  let root = error
  for (let depth = 0; depth < MAX_DEPTH && root instanceof Error && root.cause instanceof Error; depth++)
    root = root.cause
  return root instanceof Error ? root : new Error('something that is not an error')
}

const MAX_DEPTH = 10

/**
 * What a function of the user threw, in a few words: not its message, which may say anything. `TypeError at route
 * (file:///app/relay.js:12:5)`
 */
export function describeThrown(error: unknown): string {
  if (!(error instanceof Error))
    return `${typeof error === 'object' ? 'an object' : `a ${typeof error}`}, not an error`
  const { name, code } = error as Error & { readonly code?: unknown }
  const [frame] = framesOf(error)
  return safeText(
    `${/^\w{1,64}$/.test(name) ? name : 'Error'}${isCode(code) ? ` (${code})` : ''}${frame ? ` ${frame.trim()}` : ''}`,
  )
}

/** Whether the system, Node.js itself or a package threw it, rather than a function of the user that calls them. */
export function isThrownBy(packageName: string, error: unknown): boolean {
  if (!(error instanceof Error)) return false
  const [frame = ''] = framesOf(error)
  return 'errno' in error || /[ (]node:/.test(frame) || frame.includes(`/node_modules/${packageName}/`)
}

/** Lines of the stack, after the message, which may look like one of them. */
function framesOf({ message, stack }: Error): string[] {
  if (typeof stack !== 'string' || !stack.includes(message)) return []
  const after = stack.slice(stack.indexOf(message) + message.length)
  return after.split('\n').filter((line) => FRAME.test(line))
}

const FRAME = /^ {4}at \S.{0,1000}$/
