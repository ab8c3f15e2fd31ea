/**
 * What `--json` prints, a line of it, by command. docs/cli.schema.json is made of these: what scripts are built on.
 */
import { z } from 'zod'

const name = z.string()
const count = z.int().min(0)
const millis = z.number().min(0)
const time = z.iso.datetime()
const nullable = <T extends z.ZodType>(schema: T) => schema.nullable()

export const jsonSchemas = {
  migrate: z.strictObject({
    tables: z.record(z.string(), name),
    from: nullable(count),
    to: nullable(count),
    dryRun: z.boolean(),
  }),
  'relay --once': z.strictObject({ relay: name, published: count, durationMs: millis }),
  status: z.strictObject({
    at: time,
    log: z.strictObject({ estimatedEvents: nullable(count), bytes: count }),
    relays: z.array(
      z.strictObject({
        name,
        lease: z.enum(['held', 'lapsed', 'free']),
        owner: nullable(z.string()),
        epoch: count,
        inactiveMs: millis,
        pendingEvents: count,
        oldestPendingAgeMs: nullable(millis),
        deadLetters: count,
        replaying: z.boolean(),
        holdsRetentionBack: z.boolean(),
      }),
    ),
    problems: z.array(z.string()),
  }),
  events: z.strictObject({
    id: z.uuid(),
    type: name,
    schemaVersion: count,
    aggregateType: name,
    aggregateId: z.string(),
    aggregateVersion: count,
    position: count,
    source: z.string(),
    occurredAt: time,
    metadata: z.record(z.string(), z.unknown()),
    dataschema: nullable(z.string()),
    data: z.unknown(),
  }),
  'dead list': z.strictObject({
    relay: name,
    position: count,
    eventId: z.uuid(),
    type: name,
    aggregateType: name,
    aggregateId: z.string(),
    state: z.enum(['retrying', 'parked', 'waiting', 'discarded']),
    holds: z.boolean(),
    waiting: count,
    attempts: count,
    error: nullable(z.strictObject({ code: z.string(), message: z.string() })),
    firstFailedAt: nullable(time),
    lastFailedAt: nullable(time),
    nextAttemptAt: nullable(time),
    resolvedAt: nullable(time),
  }),
  'dead retry': z.strictObject({ relay: name, retried: count, refused: count, done: z.boolean() }),
  'dead discard': z.strictObject({ relay: name, discarded: count }),
  replay: z.strictObject({ relay: name, position: nullable(count), events: count, done: z.boolean() }),
  'replay --cancel': z.strictObject({ relay: name, cancelled: z.boolean() }),
  prune: z.strictObject({ deleted: count, olderThanMs: millis }),
  rebase: z.strictObject({ rebased: z.boolean() }),
  forget: z.strictObject({ relay: name, forgotten: z.boolean() }),
  doctor: z.strictObject({
    relay: name,
    healthy: z.boolean(),
    findings: z.array(
      z.strictObject({
        area: z.enum(['database', 'tables', 'relay', 'destination']),
        check: z.string(),
        level: z.enum(['ok', 'warning', 'error']),
        message: z.string(),
        remedy: nullable(z.string()),
      }),
    ),
  }),
} as const

export type JsonCommand = keyof typeof jsonSchemas

/** All of them as JSON Schema. `dead show` prints what `dead list` does. */
export function toJsonSchema() {
  const commands = Object.entries(jsonSchemas).map(([command, schema]) => {
    const { $schema, ...rest } = z.toJSONSchema(schema)
    return [command, rest]
  })
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'What `drizzle-outbox <command> --json` prints: one value a line',
    $defs: Object.fromEntries(commands),
  }
}
