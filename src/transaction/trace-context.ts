import { createRequire } from 'node:module'
import type { Metadata } from '../events/metadata.js'

/**
 * The W3C trace context of the active OpenTelemetry span, when the application has `@opentelemetry/api`, an optional
 * peer. Written out here, not by the application's propagator, which may speak another format, and without what metadata
 * may not be: no transaction should fail for its tracer. (W3C Trace Context, "traceparent Header".)
 */
export function activeTraceContext(): Metadata {
  const span = openTelemetry?.trace.getActiveSpan()?.spanContext()
  if (span === undefined || !openTelemetry?.isSpanContextValid(span)) return {}
  const { traceId, spanId, traceFlags, traceState } = span
  const flags = (traceFlags & 0xff).toString(16).padStart(2, '0')
  const traceparent = `00-${traceId}-${spanId}-${flags}`.toLowerCase()
  const tracestate = traceState?.serialize() ?? ''
  return TRACESTATE.test(tracestate) ? { traceparent, tracestate } : { traceparent }
}

/** As much as everybody passes on. (W3C Trace Context, "tracestate Limits".) */
const TRACESTATE = /^[ -~]{1,512}$/

type OpenTelemetry = typeof import('@opentelemetry/api')

/** All copies of the package share what is active and registered, so it does not matter which one this is. */
export const openTelemetry: OpenTelemetry | undefined = (() => {
  try {
    return createRequire(import.meta.url)('@opentelemetry/api')
  } catch {
    return undefined
  }
})()
