import type { RecordedEvent } from '../events/domain-event.js'
import { writeOwnAttributes, writeTypeAttributes } from './attributes.js'
import { encodeHeaderValue } from './percent-encoding.js'
import type { TextSlab } from './text-slab.js'

/**
 * Writes NATS header blocks: CloudEvents in binary mode (NATS binding 1.0.2, section 3.1), every attribute as
 * `ce-<name>`, after the headers of NATS itself. Values are percent-encoded, so that nothing in an event can forge a
 * header.
 */
export class NatsHeaders {
  /** By type: what its events have in common is written once. */
  readonly #common = new Map<string, { readonly of: RecordedEvent; readonly lines: string }>()
  readonly #slab: TextSlab
  #block = ''
  readonly #write = (name: string, value: string, plain = false): void => {
    this.#block += `ce-${name}: ${plain ? value : encodeHeaderValue(value)}\r\n`
  }

  /** @param slab where the blocks go. */
  constructor(slab: TextSlab) {
    this.#slab = slab
  }

  /** @param headers lines of NATS's own headers, which go as they are. */
  encode(event: RecordedEvent, headers: string): Buffer {
    const common = this.#commonLines(event)
    this.#block = `NATS/1.0\r\n${headers}${common}`
    writeOwnAttributes(event, this.#write)
    return this.#slab.encode(`${this.#block}\r\n`)
  }

  #commonLines(event: RecordedEvent): string {
    const known = this.#common.get(event.type)
    if (known !== undefined && sharesType(known.of, event)) return known.lines
    this.#block = ''
    writeTypeAttributes(event, this.#write)
    if (this.#common.size === MAX_TYPES) this.#common.clear()
    this.#common.set(event.type, { of: event, lines: this.#block })
    return this.#block
  }
}

/** Types are few, unless they are made by hand. */
const MAX_TYPES = 1000

function sharesType(a: RecordedEvent, b: RecordedEvent): boolean {
  return a.source === b.source && a.schemaVersion === b.schemaVersion && a.dataschema === b.dataschema
}
