import type { EventIssue } from '../errors.js'

const MAX_DEPTH = 200

/**
 * Everything in `value` that JSON, or PostgreSQL's reading of it, would drop, change or refuse, as issues with paths.
 * Empty: the log gives the same value back, but for properties that are `undefined` (absent) and `-0` (zero).
 */
export function jsonIssues(value: unknown): EventIssue[] {
  const issues: EventIssue[] = []
  const path: (string | number)[] = []
  const open = new Set<object>()
  const report = (message: string) => issues.push({ message, path: [...path] })

  const visit = (value: unknown): void => {
    switch (typeof value) {
      case 'boolean':
        return
      case 'string':
        if (!isStorable(value)) report('a string holds \\u0000 or half a surrogate pair')
        return
      case 'number':
        if (!Number.isFinite(value)) report(`${value} is not a JSON number`)
        return
      case 'object':
        if (value !== null) visitObject(value)
        return
      default:
        report(`${typeof value} is not JSON`)
    }
  }

  const visitObject = (value: object): void => {
    if (open.has(value)) return void report('the data contains itself')
    if (open.size === MAX_DEPTH) return void report(`nested deeper than ${MAX_DEPTH} levels`)
    if ('toJSON' in value && typeof value.toJSON === 'function')
      return void report(`${nameOf(value)} has a toJSON of its own: give its wire form`)
    open.add(value)
    if (
      Object.getOwnPropertySymbols(value).some((key) =>
        Object.prototype.propertyIsEnumerable.call(value, key),
      )
    )
      report('a property whose key is a symbol is not JSON')
    if (Array.isArray(value)) {
      if (Object.keys(value).length > value.length) report('an array has properties besides its items')
      for (let i = 0; i < value.length; i++) visitChild(i, value[i])
    } else if (isPlainObject(value)) {
      for (const [key, child] of Object.entries(value)) {
        if (!isStorable(key)) report('a key holds \\u0000 or half a surrogate pair')
        if (child !== undefined) visitChild(key, child)
      }
    } else {
      report(`${nameOf(value)} is not JSON: give its wire form (a string, a number, a plain object)`)
    }
    open.delete(value)
  }

  const visitChild = (key: string | number, child: unknown): void => {
    path.push(key)
    visit(child)
    path.pop()
  }

  visit(value)
  return issues
}

/** Whether data is nested so deep that a schema that recurses may not get through it. */
export function isTooDeep(value: unknown, depth = 0): boolean {
  if (typeof value !== 'object' || value === null) return false
  return depth === MAX_DEPTH || Object.values(value).some((child) => isTooDeep(child, depth + 1))
}

/** Whether PostgreSQL can store the text as it is: no NUL, no half of a surrogate pair. */
export function isStorable(text: string): boolean {
  return !text.includes('\0') && !/\p{Surrogate}/u.test(text)
}

/** By the shape of the prototype, not its identity: an object of another realm (a vm, a worker) is plain too. */
export function isPlainObject(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false
  const prototype = Object.getPrototypeOf(value)
  return prototype === null || Object.getPrototypeOf(prototype) === null
}

function nameOf(value: object): string {
  const made: unknown = value.constructor
  return typeof made === 'function' && made.name !== '' ? made.name : 'an instance'
}
