import type { StandardSchemaV1 as Schema } from '@standard-schema/spec'
import { OutboxError } from '../errors.js'
import { isUri } from './uri.js'

/** One event of a definition: its schema and, through {@link event}, what else is known of it. */
export interface EventSpec<S extends Schema = Schema, T extends string | undefined = string | undefined> {
  readonly '~event': {
    readonly schema: S
    readonly type: T
    readonly version: number
    readonly dataschema: string | undefined
    readonly upcast: Upcasts<S>
  }
}

type Upcasts<S extends Schema> = { readonly [from: number]: (data: unknown) => Schema.InferInput<S> }

/**
 * An event whose schema has a history, or whose wire name is pinned.
 *
 * A compatible change of the schema raises `version`; readers pass older data through `upcast` first. An incompatible
 * change is a new event. `type` keeps the wire name through a rename.
 *
 * @example
 * ```ts
 * captured: event(z.object({ amount: z.int(), currency: z.string() }), {
 *   version: 2,
 *   upcast: { 1: (data) => ({ ...(data as { amount: number }), currency: 'EUR' }) },
 * })
 * ```
 * @throws `ERR_OUTBOX_DEFINITION_INVALID` for a version that is not a whole number from 1 to 32767, or a `dataschema` that
 * is no URI.
 */
export function event<S extends Schema, const T extends string | undefined = undefined>(
  schema: S,
  options: {
    /** Version of the schema. @default 1 */
    version?: number
    /** The wire name, in place of `<namespace>.<aggregate>.<name>`. */
    type?: T
    /** Absolute URI of the schema, of up to 2048 characters: CloudEvents `dataschema`. */
    dataschema?: string
    /** From a version that was stored to the input of the schema as it is now. */
    upcast?: Upcasts<S>
  },
): EventSpec<S, T> {
  const { version = 1, type, dataschema, upcast = {} } = options
  if (!isSchemaVersion(version))
    throw invalidDefinition(String(type ?? ''), `version ${version} is not a whole number from 1 to 32767`)
  if (dataschema !== undefined && !isUri(dataschema))
    throw invalidDefinition(String(type ?? ''), 'dataschema must be an absolute URI, such as https://…')
  return { '~event': { schema, type: type as T, version, dataschema, upcast } }
}

/** The longest name of an aggregate's type, or of a part of an event's type, and the longest type of an event. */
export const MAX_NAME = 63
export const MAX_TYPE = 255

/** Whether it fits its column. */
export function isSchemaVersion(version: number): boolean {
  return Number.isInteger(version) && version >= 1 && version <= 32_767
}

export function invalidDefinition(name: string, message: string) {
  return new OutboxError('ERR_OUTBOX_DEFINITION_INVALID', `event ${JSON.stringify(name)}: ${message}`, {
    name,
  })
}

export type Shape = Schema | EventSpec
export type Shapes = Record<string, Shape>

/** Any result of `defineEvents`. */
export interface AnyEvents {
  readonly '~outbox': {
    readonly aggregate: string
    readonly prefix: string
    readonly maxEventBytes: number
    readonly events: Shapes
    /** By event name. */
    readonly definitions: ReadonlyMap<string, EventDefinition>
  }
}

/** One event as the library uses it. */
export interface EventDefinition {
  readonly name: string
  readonly type: string
  readonly spec: EventSpec['~event']
}

/** Fits NATS with its default `max_payload` of 1 MiB, headers included. */
export const DEFAULT_MAX_EVENT_BYTES = 512 * 1024
