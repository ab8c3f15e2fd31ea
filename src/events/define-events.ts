import type { StandardSchemaV1 as Schema } from '@standard-schema/spec'
import { OutboxError } from '../errors.js'
import {
  type AnyEvents,
  DEFAULT_MAX_EVENT_BYTES,
  type EventDefinition,
  type EventSpec,
  event,
  invalidDefinition,
  MAX_TYPE,
  type Shape,
  type Shapes,
} from './definition.js'
import type { DomainEvent } from './domain-event.js'
import type { Metadata } from './metadata.js'
import { recordEvent } from './record-event.js'

type SchemaOf<X> = X extends EventSpec<infer S> ? S : X extends Schema ? X : never
type TypeOf<P extends string, K extends string, X> =
  X extends EventSpec<Schema, infer T extends string> ? T : `${P}.${K}`
type In<X> = Schema.InferInput<SchemaOf<X>>
type Out<X> = Schema.InferOutput<SchemaOf<X>>

/**
 * The part of `T` that JSON cannot carry; `never` when there is none. It looks so many levels deep as `Depth` has
 * elements: the type of a recursive schema has no end, and what is deeper is found when the event is recorded.
 */
type NotJson<T, Depth extends unknown[] = [1, 2, 3, 4, 5, 6]> = Depth extends [unknown, ...infer Deeper]
  ? 0 extends 1 & T
    ? never
    : unknown extends T
      ? never
      : T extends string | number | boolean | null | undefined
        ? never
        : // biome-ignore lint/suspicious/noExplicitAny: any function, map or set at all
          T extends bigint | symbol | Date | ReadonlyMap<any, any> | ReadonlySet<any> | ((...a: any[]) => any)
          ? T
          : T extends readonly (infer I)[]
            ? NotJson<I, Deeper>
            : { [K in keyof T]-?: NotJson<T[K], Deeper> }[keyof T]
  : never

/** The shape itself when it can be a wire form, else the sentence that the compiler shows. */
type Wire<X> = [NotJson<Out<X>>] extends [never]
  ? [Out<X>] extends [In<X>]
    ? X
    : 'drizzle-outbox: the schema must accept its own output'
  : 'drizzle-outbox: event data must be JSON; use z.iso.datetime() for dates'

/** What {@link defineEvents} returns: one creator for each event. */
export type Events<A extends string, P extends string, S extends Shapes> = {
  readonly '~outbox': Omit<AnyEvents['~outbox'], 'aggregate' | 'prefix' | 'events'> & {
    readonly aggregate: A
    readonly prefix: P
    readonly events: S
  }
} & {
  readonly [K in keyof S & string]: (
    aggregateId: string,
    data: In<S[K]>,
    metadata?: Metadata,
  ) => DomainEvent<TypeOf<P, K, S[K]>, Out<S[K]>>
}

/** The names of a definition's events, such as `placed`. */
export type EventName<E extends AnyEvents> = E extends {
  readonly '~outbox': { readonly events: infer S } // inferred, so that the compiler lists the names
}
  ? keyof S & string
  : never

/** What may be passed as the data of one event: its schema's input. */
export type EventInput<E extends AnyEvents, K extends EventName<E>> = In<E['~outbox']['events'][K]>

/** All events of a definition as a union, discriminated by `type`. */
export type EventOf<E extends AnyEvents> = {
  [K in EventName<E>]: DomainEvent<
    TypeOf<E['~outbox']['prefix'], K, E['~outbox']['events'][K]>,
    Out<E['~outbox']['events'][K]>
  >
}[EventName<E>]

/**
 * Defines the events of one kind of aggregate. The schema is the wire form: what it puts out is stored and published
 * as JSON, so a date is a string (`z.iso.datetime()`), and the compiler says so where it is not.
 *
 * @example
 * ```ts
 * export const orderEvents = defineEvents('order', {
 *   placed: z.object({ customerId: z.string(), total: z.int() }),
 *   shipped: z.object({ carrier: z.string() }),
 * }) // wire names: order.placed, order.shipped
 * ```
 * @param aggregate Type of the aggregate, such as `order`: letters, digits, `-` and `_`, starting with a letter.
 * @throws `ERR_OUTBOX_DEFINITION_INVALID` for a name that cannot be used, or a wire name used twice.
 */
export function defineEvents<const A extends string, S extends Shapes, const N extends string = ''>(
  aggregate: A,
  events: S & { [K in keyof S]: Wire<S[K]> },
  options: {
    /** Goes before every wire name, as a reversed domain: `com.acme` makes `com.acme.order.placed`. */
    namespace?: N
    /** The largest data of one event, in bytes of JSON. Raise it with the broker's limit. @default 524288 */
    maxEventBytes?: number
  } = {},
): Events<A, N extends '' ? A : `${N}.${A}`, S> {
  const { namespace = '', maxEventBytes = DEFAULT_MAX_EVENT_BYTES } = options
  if (!NAME.test(aggregate)) throw invalidDefinition(aggregate, `an aggregate's type is ${NAME_RULE}`)
  if (namespace !== '' && !namespace.split('.').every((part) => NAME.test(part)))
    throw invalidDefinition(namespace, `each part of a namespace is ${NAME_RULE}`)
  if (!Number.isInteger(maxEventBytes) || maxEventBytes < 1)
    throw invalidDefinition(aggregate, `maxEventBytes must be a whole number of bytes`)

  const prefix = namespace === '' ? aggregate : `${namespace}.${aggregate}`
  const definitions = new Map<string, EventDefinition>()
  const set: AnyEvents = { '~outbox': { aggregate, prefix, maxEventBytes, events, definitions } }
  const creators: Record<string, unknown> = {}
  for (const [name, shape] of Object.entries(events as Shapes)) {
    const definition = defineEvent(prefix, name, shape)
    for (const other of definitions.values())
      if (other.type === definition.type) throw invalidDefinition(name, `${other.type} is defined twice`)
    definitions.set(name, definition)
    creators[name] = (aggregateId: string, data: unknown, metadata?: Metadata) =>
      recordEvent(set, name, aggregateId, data, metadata)
  }
  return Object.freeze({ ...creators, ...set }) as Events<A, N extends '' ? A : `${N}.${A}`, S>
}

const NAME = /^[A-Za-z][A-Za-z0-9_-]{0,62}$/
const NAME_RULE = 'up to 63 letters, digits, - and _, starting with a letter'

function defineEvent(prefix: string, name: string, shape: Shape): EventDefinition {
  if (!NAME.test(name)) throw invalidDefinition(name, `an event's name is ${NAME_RULE}`)
  const spec = (isSpec(shape) ? shape : event(shape, {}))['~event']
  if (typeof spec.schema?.['~standard']?.validate !== 'function')
    throw invalidDefinition(name, 'needs a schema that implements Standard Schema, such as z.object(…)')
  const type = spec.type ?? `${prefix}.${name}`
  if (!type.split('.').every((part) => NAME.test(part)))
    throw invalidDefinition(name, `each part of the type ${JSON.stringify(type)} is ${NAME_RULE}`)
  if (type.length > MAX_TYPE)
    throw invalidDefinition(name, `the type ${type} has more than ${MAX_TYPE} characters`)
  return { name, type, spec }
}

function isSpec(shape: Shape): shape is EventSpec {
  return typeof shape === 'object' && '~event' in shape
}

/** The definition of a wire name, for readers. */
export function definitionOfType(events: AnyEvents, type: string): EventDefinition {
  const { definitions, prefix } = events['~outbox']
  for (const definition of definitions.values()) if (definition.type === type) return definition
  throw new OutboxError('ERR_OUTBOX_EVENT_UNKNOWN', `${prefix} has no event of type ${type}`, { type })
}
