import type { RecordedEvent } from '../events/domain-event.js'
import { cloudEventAttributes } from './attributes.js'

/** A CloudEvent 1.0 with JSON data; assignable to `CloudEventV1` of the `cloudevents` SDK. */
export interface CloudEvent<D = unknown> {
  readonly specversion: '1.0'
  readonly id: string
  readonly source: string
  readonly type: string
  /** The aggregate's id. */
  readonly subject: string
  readonly time: string
  readonly datacontenttype: 'application/json'
  readonly dataschema?: string
  /** The aggregate's version, padded with zeros to 16 digits: strings compare in order. */
  readonly sequence: string
  readonly partitionkey: string
  readonly data: D
  readonly [extension: string]: unknown
}

export function toCloudEvent(event: RecordedEvent): CloudEvent {
  return { ...cloudEventAttributes(event), data: JSON.parse(event.data) } as CloudEvent
}
