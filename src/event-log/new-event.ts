import type { Metadata } from '../events/metadata.js'

/** An event on its way into the log. */
export interface NewEvent {
  readonly id: string
  readonly aggregateType: string
  readonly aggregateId: string
  readonly type: string
  readonly schemaVersion: number
  readonly occurredAt: Date
  /** JSON text, stored as it is. */
  readonly data: string
  readonly metadata: Metadata & { readonly dataschema?: string | undefined }
}

/** Tells aggregates apart: a type or id cannot hold `\0`. */
export function aggregateKey(type: string, id: string): string {
  return `${type}\0${id}`
}
