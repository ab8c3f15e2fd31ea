import { isDeepStrictEqual } from 'node:util'
import type { StandardSchemaV1 as Schema } from '@standard-schema/spec'
import { type EventIssue, OutboxError } from '../errors.js'
import type { EventDefinition } from './definition.js'

/**
 * The schema's output for `data`. The schema is the wire form, so it must accept its own output and leave it as it is:
 * a consumer validates what was stored with the same schema.
 *
 * @throws `ERR_OUTBOX_EVENT_INVALID`, `ERR_OUTBOX_SCHEMA_ASYNC`
 */
export function validateData({ type, spec }: EventDefinition, data: unknown): unknown {
  const output = validate(type, spec.schema, data, 'the data does not match its schema')
  const again = validate(type, spec.schema, output, 'the schema does not accept its own output')
  if (!isDeepStrictEqual(output, again))
    throw new OutboxError('ERR_OUTBOX_EVENT_INVALID', `${type}: the schema changes its own output`, {
      type,
      issues: [{ message: 'the schema changes its own output', path: [] }],
    })
  return output
}

function validate(type: string, schema: Schema, data: unknown, complaint: string): unknown {
  const result = schema['~standard'].validate(data)
  if (result instanceof Promise) {
    result.catch(() => {}) // nobody waits for it
    throw new OutboxError(
      'ERR_OUTBOX_SCHEMA_ASYNC',
      `${type}: the schema validates asynchronously; recording an event is synchronous`,
      { type },
    )
  }
  if (!result.issues) return result.value
  const issues = result.issues.map(toEventIssue)
  const summary = issues.map(({ path, message }) => `${['data', ...path].join('.')}: ${message}`).join('; ')
  throw new OutboxError('ERR_OUTBOX_EVENT_INVALID', `${type}: ${complaint}: ${summary}`, { type, issues })
}

function toEventIssue({ message, path = [] }: Schema.Issue): EventIssue {
  const keys = path.map((segment) => (typeof segment === 'object' ? segment.key : segment))
  return { message, path: keys.map((key) => (typeof key === 'symbol' ? String(key) : key)) }
}
