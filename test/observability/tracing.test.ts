/** The relay's spans, by a real SDK. */
import { context, type SpanContext, SpanKind, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'
import { createRelay, memoryPublisher, traceRelay } from 'drizzle-outbox'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { openShop, orderEvents, type Shop } from '../support/drivers.js'

const exporter = new InMemorySpanExporter()
let shop: Shop
beforeAll(async () => {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
  trace.setGlobalTracerProvider(
    new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }),
  )
  shop = await openShop('node-postgres')
})
afterAll(async () => {
  trace.disable()
  context.disable()
  await shop?.close()
})
beforeEach(() => exporter.reset())

const tracer = trace.getTracer('the application')
const publishing = () => exporter.getFinishedSpans().filter(({ name }) => name.startsWith('publish'))

/** Stores events in a transaction within a span. */
function record(count: number): Promise<SpanContext> {
  return tracer.startActiveSpan('place order', async (span) => {
    await shop.db.transaction(async (tx) => {
      for (let i = 0; i < count; i++) tx.outbox.add(orderEvents.placed(`order-${i}`, { total: i }))
    })
    span.end()
    return span.spanContext()
  })
}

const idsOf = (spans: readonly { traceId: string; spanId: string }[]) =>
  spans.map(({ traceId, spanId }) => `${traceId}-${spanId}`).sort()

it('each page is a span, which links to those that recorded its events', async () => {
  const recorded = [await record(3), await record(2)]
  const relay = createRelay({ db: shop.db, publisher: memoryPublisher(), name: 'traced' })
  traceRelay(relay)
  await tracer.startActiveSpan('startup', async (span) => {
    await relay.drain()
    span.end()
  })
  const [span, ...others] = publishing()
  expect(others).toEqual([])
  expect(span).toMatchObject({
    name: 'publish memory',
    kind: SpanKind.CLIENT,
    attributes: {
      'messaging.operation.type': 'send',
      'messaging.destination.name': 'memory',
      'messaging.batch.message_count': 5,
      'outbox.relay': 'traced',
    },
  })
  expect(span?.parentSpanContext).toBeUndefined()
  expect(idsOf(span!.links.map((link) => link.context))).toEqual(idsOf(recorded))
  expect(span!.links.every((link) => link.context.isRemote)).toBe(true)
})

it('links to sampled spans, to each once, and not to more than an SDK keeps', async () => {
  const traceparent = (n: number, flags = '01') =>
    `00-${n.toString(16).padStart(32, 'a')}-${n.toString(16).padStart(16, 'b')}-${flags}`
  const name = 'many'
  const relay = createRelay({ db: shop.db, publisher: memoryPublisher(), name })
  await relay.drain()
  traceRelay(relay)
  await shop.db.transaction(async (tx) => {
    for (let i = 0; i < 200; i++) {
      const metadata = { traceparent: traceparent(i), tracestate: `acme=${i}` }
      tx.outbox.add(orderEvents.placed('a', { total: 1 }, { traceparent: traceparent(1000 + i, '00') }))
      tx.outbox.add(orderEvents.placed('a', { total: 1 }, metadata))
      tx.outbox.add(orderEvents.placed('a', { total: 1 }, metadata))
    }
  })
  exporter.reset()
  await relay.drain()
  const [span] = publishing()
  expect(span!.links).toHaveLength(128)
  expect(new Set(idsOf(span!.links.map((link) => link.context))).size).toBe(128)
  expect(span!.links.every((link) => (link.context.traceFlags & 1) === 1)).toBe(true)
  expect(span!.links[7]?.context.traceState?.get('acme')).toBe('7')
})

it('ends when it is told to', async () => {
  const relay = createRelay({ db: shop.db, publisher: memoryPublisher(), name: 'ended' })
  traceRelay(relay)()
  await record(1)
  await relay.drain()
  expect(publishing()).toEqual([])
})
