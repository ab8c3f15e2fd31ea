/** An event of the log, for people and for machines. */
import type { RecordedEvent } from '../../events/domain-event.js'
import { type Paint, visible } from './style.js'
import { renderFields } from './table.js'

/** On one line: position, time, type, aggregate and version, id. Columns are as wide as what they hold usually is. */
export function eventLine(event: RecordedEvent, paint: Paint): string {
  const { position, occurredAt, type, aggregateType, aggregateId, aggregateVersion, id } = event
  const aggregate = `${visible(`${aggregateType}/${aggregateId}`)} #${aggregateVersion}`
  return [
    paint('dim', String(position).padStart(8)),
    paint('dim', timeText(occurredAt)),
    paint('cyan', visible(type).padEnd(24)),
    aggregate.padEnd(30),
    paint('dim', id),
  ].join('  ')
}

/** All of it. */
export function eventDetails(event: RecordedEvent, paint: Paint): string {
  const { data, metadata, ...rest } = event
  const fields = Object.entries({ ...rest, occurredAt: event.occurredAt.toISOString() })
  return [
    renderFields(
      fields.map(([name, value]) => [name, visible(String(value))]),
      paint,
    ),
    paint('dim', 'metadata'),
    pretty(JSON.stringify(metadata)),
    paint('dim', 'data'),
    pretty(data),
  ].join('\n')
}

/** Its data are the stored text, so that no number in it changes. */
export function eventJson({ data, ...rest }: RecordedEvent): string {
  const fields = JSON.stringify({ ...rest, dataschema: rest.dataschema ?? null })
  // Rows from elsewhere may be laid out over lines.
  return `${fields.slice(0, -1)},"data":${/[\r\n]/.test(data) ? JSON.stringify(JSON.parse(data)) : data}}`
}

export function timeText(time: Date): string {
  return time.toISOString().replace('T', ' ')
}

function pretty(json: string): string {
  return JSON.stringify(JSON.parse(json), null, 2).split('\n').map(visible).join('\n')
}
