import { definitionOfType, type EventOf } from './define-events.js'
import type { AnyEvents } from './definition.js'
import { validateData } from './validate.js'

/** Type and data of an event, as a union discriminated by `type`. */
export type DecodedEvent<E extends AnyEvents> =
  EventOf<E> extends infer D
    ? D extends { type: infer T; data: infer V }
      ? { readonly type: T; readonly data: V }
      : never
    : never

/**
 * Reads an event that was stored or received: older data goes through its `upcast`, then the schema validates it.
 * Data of a newer version is validated as it is, because a raised version is a compatible change.
 *
 * @example
 * ```ts
 * const event = decodeEvent(orderEvents, { type: 'order.placed', schemaVersion: 1, data: JSON.parse(text) })
 * if (event.type === 'order.placed') console.log(event.data.total)
 * ```
 * @throws `ERR_OUTBOX_EVENT_UNKNOWN` for a type that is not in the definition, `ERR_OUTBOX_EVENT_INVALID`.
 */
export function decodeEvent<E extends AnyEvents>(
  events: E,
  stored: { readonly type: string; readonly schemaVersion?: number; readonly data: unknown },
): DecodedEvent<E> {
  const definition = definitionOfType(events, stored.type)
  const { version, upcast } = definition.spec
  const { schemaVersion = 1 } = stored
  const current = schemaVersion < version ? upcast[schemaVersion]?.(stored.data) : undefined
  const data = validateData(definition, current ?? stored.data)
  return { type: stored.type, data } as DecodedEvent<E>
}
