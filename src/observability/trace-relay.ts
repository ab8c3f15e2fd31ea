import type { Link } from '@opentelemetry/api'
import type { RecordedEvent } from '../events/domain-event.js'
import type { Relay } from '../relay/relay.js'
import { openTelemetry } from '../transaction/trace-context.js'

/**
 * A span for each page of events that a relay publishes, with links to the traces that recorded them: each event carries
 * the span that was active as its transaction committed (`traceparent`). By the tracer that is registered with
 * `@opentelemetry/api`; without that package, or a tracer, nothing happens.
 *
 * The span is named `publish <publisher>` and has the attributes `messaging.operation.name`, `messaging.operation.type`,
 * `messaging.destination.name`, `messaging.batch.message_count` and `outbox.relay` (OpenTelemetry semantic conventions,
 * "Messaging spans"). It links to up to 128 sampled spans, each once.
 *
 * @example
 * ```ts
 * traceRelay(relay)
 * ```
 * @returns a function that ends it.
 */
export function traceRelay(relay: Relay): () => void {
  if (openTelemetry === undefined) return () => {}
  const tracer = openTelemetry.trace.getTracer('drizzle-outbox')
  const kind = openTelemetry.SpanKind.CLIENT
  const { name, publisher } = relay.status()
  return relay.on('published', ({ count, durationMs, events }) => {
    const end = Date.now()
    const attributes = {
      'messaging.operation.name': 'publish',
      'messaging.operation.type': 'send',
      'messaging.destination.name': publisher.name,
      'messaging.batch.message_count': count,
      'outbox.relay': name,
    }
    // Of nobody's trace: the relay may have been started within a span that ended long ago.
    const options = { kind, attributes, startTime: end - durationMs, root: true }
    const span = tracer.startSpan(`publish ${publisher.name}`, options)
    if (span.isRecording()) span.addLinks(linksOf(events))
    span.end(end)
  })
}

function linksOf(events: readonly RecordedEvent[]): Link[] {
  const links = new Map<string, Link>()
  for (const { metadata } of events) {
    const { traceparent, tracestate } = metadata
    if (traceparent === undefined || links.has(traceparent)) continue
    const link = linkTo(traceparent, tracestate)
    if (link !== undefined && links.set(traceparent, link).size === MAX_LINKS) break
  }
  return [...links.values()]
}

/** As many as an SDK keeps by default. */
const MAX_LINKS = 128

/** Undefined: a span that was not sampled, and so leads nowhere. */
function linkTo(traceparent: string, tracestate: string | undefined): Link | undefined {
  const { traceId, spanId, flags } = TRACEPARENT.exec(traceparent)?.groups ?? {}
  if (traceId === undefined || spanId === undefined || flags === undefined) return undefined
  const traceFlags = Number.parseInt(flags, 16)
  if ((traceFlags & 1) === 0) return undefined
  const traceState = tracestate === undefined ? undefined : openTelemetry?.createTraceState(tracestate)
  return { context: { traceId, spanId, traceFlags, isRemote: true, ...(traceState && { traceState }) } }
}

const TRACEPARENT = /^[0-9a-f]{2}-(?<traceId>[0-9a-f]{32})-(?<spanId>[0-9a-f]{16})-(?<flags>[0-9a-f]{2})/
