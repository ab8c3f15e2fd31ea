import { isDeepStrictEqual } from 'node:util'
import type { StandardSchemaV1 as Schema } from '@standard-schema/spec'
import { type EventIssue, OutboxError, type OutboxErrorDetails } from '../errors.js'
import { describeThrown, safeText } from '../foreign-errors.js'
import type { EventDefinition } from './definition.js'
import { isTooDeep, jsonIssues } from './json.js'

/**
 * The schema's output for `data`. The schema is the wire form, so it must accept its own output and leave it as it is:
 * a consumer validates what was stored with the same schema.
 *
 * @throws `ERR_OUTBOX_EVENT_INVALID`, `ERR_OUTBOX_EVENT_NOT_JSON`, `ERR_OUTBOX_SCHEMA_ASYNC`
 */
export function validateData({ type, spec }: EventDefinition, data: unknown): unknown {
  const output = validate(type, spec.schema, data, 'the data does not match its schema')
  assertJson(type, output)
  const again = validate(type, spec.schema, output, 'the schema does not accept its own output')
  if (!isDeepStrictEqual(output, again))
    throw invalid(type, CHANGES_ITS_OUTPUT, [{ message: CHANGES_ITS_OUTPUT, path: [] }])
  return output
}

const CHANGES_ITS_OUTPUT = 'the schema changes its own output'

/** @throws `ERR_OUTBOX_EVENT_NOT_JSON` when the log would not give it back as it is. */
export function assertJson(type: string, data: unknown): void {
  const issues = jsonIssues(data)
  const [first] = issues
  if (first === undefined) return
  const where = ['data', ...first.path].join('.')
  throw new OutboxError('ERR_OUTBOX_EVENT_NOT_JSON', `${type}: ${where}: ${first.message}`, { type, issues })
}

function validate(type: string, schema: Schema, data: unknown, complaint: string): unknown {
  const result = runSchema(type, schema, data)
  if (result instanceof Promise) {
    result.catch(() => {}) // nobody waits for it
    if (isTooDeep(data)) assertJson(type, data) // zod tries again asynchronously when its stack overflows
    throw new OutboxError(
      'ERR_OUTBOX_SCHEMA_ASYNC',
      `${type}: the schema validates asynchronously (or a refinement of it threw); recording an event is synchronous`,
      { type },
    )
  }
  if (!result.issues) return result.value
  const issues = result.issues.map(toEventIssue)
  const summary = issues.map((issue) => describe(issue, schema)).join('; ')
  throw invalid(type, `${complaint}: ${safeText(summary)}`, issues)
}

/** Where and, if that cannot repeat the data, why: zod says what it expected, others also what they were given. */
function describe({ path, message }: EventIssue, schema: Schema): string {
  const where = ['data', ...path].join('.')
  return schema['~standard'].vendor === 'zod' ? `${where}: ${message}` : where
}

/** The issues are there for programs, and not enumerable: a log line of the error does not have what they say. */
function invalid(type: string, message: string, issues: readonly EventIssue[]) {
  const details = Object.defineProperty({ type }, 'issues', { value: issues })
  return new OutboxError(
    'ERR_OUTBOX_EVENT_INVALID',
    `${type}: ${message}`,
    details as OutboxErrorDetails['ERR_OUTBOX_EVENT_INVALID'],
  )
}

function runSchema(type: string, schema: Schema, data: unknown) {
  try {
    return schema['~standard'].validate(data)
  } catch (cause) {
    const message = `the schema threw ${describeThrown(cause)}`
    throw invalid(type, message, [{ message, path: [] }])
  }
}

function toEventIssue({ message, path = [] }: Schema.Issue): EventIssue {
  const keys = path.map((segment) => (typeof segment === 'object' ? segment.key : segment))
  return { message, path: keys.map((key) => (typeof key === 'symbol' ? String(key) : key)) }
}
