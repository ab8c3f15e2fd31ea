import { AsyncLocalStorage } from 'node:async_hooks'
import { execFile } from 'node:child_process'
import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { context, createTraceState, type SpanContext, type TraceState, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { type CloudEvent, createRelay, defineEvents, type Metadata, memoryPublisher } from 'drizzle-outbox'
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest'
import { z } from 'zod'
import { describeEachDriver, orderEvents, type Shop, type ShopDb } from '../support/drivers.js'

const manager = new AsyncLocalStorageContextManager()
beforeAll(() => {
  manager.enable()
  expect(context.setGlobalContextManager(manager)).toBe(true)
})
afterAll(() => context.disable())

const span = (n: number): SpanContext => ({
  traceId: n.toString(16).padStart(32, 'a'),
  spanId: n.toString(16).padStart(16, 'b'),
  traceFlags: n % 2,
})
const traceparentOf = ({ traceId, spanId, traceFlags }: SpanContext) =>
  `00-${traceId}-${spanId}-0${traceFlags}`

function inSpan<T>(spanContext: SpanContext, run: () => T): T {
  return context.with(trace.setSpanContext(context.active(), spanContext), run)
}

const shipped = (id: string, metadata?: Metadata) => orderEvents.shipped(id, { carrier: 'dhl' }, metadata)

/** What is published of these aggregates, by aggregate. */
async function publishedOf(db: ShopDb, ids: readonly string[]): Promise<CloudEvent[]> {
  const publisher = memoryPublisher()
  await createRelay({ db, publisher, name: `of-${ids[0]}` }).drain()
  return ids.map((id) => publisher.published.find(({ partitionkey }) => partitionkey === id)!)
}

/** Stores an event, and gives what is published of it. */
async function publish(
  db: ShopDb,
  id: string,
  metadata?: Metadata,
  ofTransaction?: Metadata,
): Promise<CloudEvent> {
  await db.transaction(async (tx) => {
    tx.outbox.add(shipped(id, metadata))
    if (ofTransaction) tx.outbox.metadata(ofTransaction)
  })
  const [event] = await publishedOf(db, [id])
  return event!
}

describeEachDriver('the active span', (shop) => {
  it('is in the events of its transaction', async () => {
    const traceState = createTraceState('acme=1,other=a b')
    const event = await inSpan({ ...span(1), traceState }, () => publish(shop().db, 'traced'))
    expect(event).toMatchObject({ traceparent: traceparentOf(span(1)), tracestate: 'acme=1,other=a b' })
  })

  it('is written as W3C Trace Context asks, whatever the tracer makes of it', async () => {
    const { traceId, spanId } = span(9)
    const shouting = { traceId: traceId.toUpperCase(), spanId: spanId.toUpperCase(), traceFlags: 0x101 }
    const traceparent = traceparentOf(span(9))
    for (const [index, state] of ['', 'acme=1\0', 'x'.repeat(513)].entries()) {
      const traceState = { ...createTraceState(), serialize: () => state } as TraceState
      const event = await inSpan({ ...shouting, traceState }, () => publish(shop().db, `shouting-${index}`))
      expect(event).toMatchObject({ traceparent })
      expect(event).not.toHaveProperty('tracestate')
    }
  })

  it('is that of each one, however many transactions run at once', async () => {
    const db = shop().open({}, { connections: 3 })
    const ids = Array.from({ length: 20 }, (_, i) => `span-${i}`)
    const store = (id: string) => db.transaction(async (tx) => tx.outbox.add(shipped(id)))
    await Promise.all(ids.map((id, i) => (i % 5 === 0 ? store(id) : inSpan(span(i), () => store(id)))))
    const published = await publishedOf(db, ids)
    expect(published.map(({ traceparent }) => traceparent)).toEqual(
      ids.map((_, i) => (i % 5 === 0 ? undefined : traceparentOf(span(i)))),
    )
  })

  it('is the one around the transaction, not one that its callback opened', async () => {
    const { db } = shop()
    await inSpan(span(2), () =>
      db.transaction(async (tx) => {
        await inSpan(span(3), async () => tx.outbox.add(shipped('around')))
      }),
    )
    expect((await publishedOf(db, ['around']))[0]?.traceparent).toBe(traceparentOf(span(2)))
  })

  it('is left out where there is none, or one that is not valid', async () => {
    const { db } = shop()
    const none = [
      await publish(db, 'no-span'),
      await inSpan({ ...span(4), traceId: '0'.repeat(32) }, () => publish(db, 'no-trace-id')),
      await inSpan({ ...span(4), spanId: 'x' }, () => publish(db, 'no-span-id')),
    ]
    for (const event of none) {
      expect(event).not.toHaveProperty('traceparent')
      expect(event).not.toHaveProperty('tracestate')
    }
  })

  it('gives way to a traceparent of the database, of the transaction, and of the event', async () => {
    const { db, open } = shop()
    const [ofDatabase, ofTransaction, ofEvent] = [
      traceparentOf(span(6)),
      traceparentOf(span(7)),
      traceparentOf(span(8)),
    ]
    const withMetadata = open({ metadata: () => ({ traceparent: ofDatabase }) })
    const traceState = createTraceState('acme=1')
    await inSpan({ ...span(5), traceState }, async () => {
      const given = [
        await publish(withMetadata, 'by-database'),
        await publish(withMetadata, 'by-transaction', {}, { traceparent: ofTransaction }),
        await publish(db, 'by-event', { traceparent: ofEvent }, { traceparent: ofTransaction }),
      ]
      const traceparents = given.map(({ traceparent }) => traceparent)
      expect(traceparents).toEqual([ofDatabase, ofTransaction, ofEvent])
      // A tracestate belongs to its traceparent (W3C Trace Context, "tracestate Header").
      for (const event of given) expect(event).not.toHaveProperty('tracestate')
    })
  })
})

describeEachDriver('metadata', (shop) => {
  it('arrives as attributes', async () => {
    const event = await publish(shop().db, 'attributes', {
      correlationId: 'request-7',
      causationId: 'command "8"\n😀',
      tracestate: 'acme=1',
      extensions: { tenant: 'acme', priority: -3, dryrun: false },
    })
    expect(event).toMatchObject({
      correlationid: 'request-7',
      causationid: 'command "8"\n😀',
      tracestate: 'acme=1',
      tenant: 'acme',
      priority: '-3',
      dryrun: 'false',
    })
    expect(event).not.toHaveProperty('extensions')
  })

  it('is taken of the event, then of the transaction, last call first, then of the database', async () => {
    const layer = (name: string, ...fields: string[]) =>
      Object.fromEntries(fields.map((field) => [field, `of the ${name}`]))
    const metadata = () => ({
      ...layer('database', 'correlationId', 'causationId', 'tracestate'),
      extensions: layer('database', 'a', 'b', 'c', 'd'),
    })
    const db = shop().open({ metadata })
    await db.transaction(async (tx) => {
      tx.outbox.metadata({ ...layer('first call', 'causationId'), extensions: layer('first call', 'b', 'c') })
      tx.outbox.add(
        shipped('layers', { ...layer('event', 'correlationId'), extensions: layer('event', 'd') }),
        shipped('layers-below'),
      )
      tx.outbox.metadata({ extensions: layer('second call', 'c') })
      const rolledBack = tx.transaction(async (savepoint) => {
        savepoint.outbox.metadata({ correlationId: 'rolled back', extensions: { a: 'rolled back' } })
        throw new Error('on purpose')
      })
      await expect(rolledBack).rejects.toThrow('on purpose')
    })
    const common = {
      causationid: 'of the first call',
      tracestate: 'of the database',
      a: 'of the database',
      b: 'of the first call',
      c: 'of the second call',
    }
    expect(await publishedOf(db, ['layers', 'layers-below'])).toMatchObject([
      { ...common, correlationid: 'of the event', d: 'of the event' },
      { ...common, correlationid: 'of the database', d: 'of the database' },
    ])
  })

  it('is asked of the database once for each transaction with events, in the context of its caller', async () => {
    const request = new AsyncLocalStorage<string>()
    const metadata = vi.fn((): Metadata => ({ correlationId: request.getStore() ?? 'nobody' }))
    const db = shop().open({ metadata }, { connections: 3 })
    const ids = Array.from({ length: 20 }, (_, i) => `request-${i}`)
    const store = (id: string) => db.transaction(async (tx) => tx.outbox.add(shipped(id), shipped(id)))
    await Promise.all(ids.map((id) => request.run(`from ${id}`, () => store(id))))
    await db.transaction(async () => {})
    expect(metadata).toHaveBeenCalledTimes(ids.length)
    const published = await publishedOf(db, ids)
    expect(published.map(({ correlationid }) => correlationid)).toEqual(ids.map((id) => `from ${id}`))
  })

  it.each<[string, () => unknown, string]>([
    ['an unknown field', () => ({ tenant: 'acme' }), 'ERR_OUTBOX_METADATA_INVALID'],
    ['a reserved name', () => ({ extensions: { sequence: '1' } }), 'ERR_OUTBOX_METADATA_INVALID'],
    ['a promise', async () => ({ correlationId: 'late' }), 'ERR_OUTBOX_METADATA_INVALID'],
    ['nothing', () => undefined, 'ERR_OUTBOX_METADATA_INVALID'],
  ])('of the database may not be %s', async (_, metadata, code) => {
    const db = shop().open({ metadata: metadata as () => Metadata })
    const id = 'refused by the database'
    await expect(db.transaction(async (tx) => tx.outbox.add(shipped(id)))).rejects.toMatchObject({ code })
    expect(await versionOf(shop(), id)).toBe(0)
  })

  it('is refused when it is too much together', async () => {
    const { db } = shop()
    const parts = { correlationId: 'x'.repeat(4000), extensions: { tenant: 'x'.repeat(4000) } }
    const store = (extensions: Record<string, string>) =>
      db.transaction(async (tx) => {
        tx.outbox.metadata(parts)
        tx.outbox.add(shipped('too-much', { extensions }))
      })
    await expect(store({ a: 'x'.repeat(200) })).rejects.toMatchObject({ code: 'ERR_OUTBOX_METADATA_INVALID' })
    expect(await versionOf(shop(), 'too-much')).toBe(0)
    await store({ a: 'x'.repeat(100) })
    expect((await publishedOf(db, ['too-much']))[0]).toMatchObject({ a: 'x'.repeat(100) })
  })

  it('is refused by tx.outbox.metadata at once, which leaves the transaction as it was', async () => {
    const { db } = shop()
    await db.transaction(async (tx) => {
      tx.outbox.add(shipped('unharmed'))
      const wrong = { correlationId: 'x', extensions: { Tenant: 'x' } }
      expect(() => tx.outbox.metadata(wrong)).toThrow(
        expect.objectContaining({ code: 'ERR_OUTBOX_METADATA_INVALID', details: { name: 'Tenant' } }),
      )
    })
    expect((await publishedOf(db, ['unharmed']))[0]).not.toHaveProperty('correlationid')
  })
})

const noEvents = defineEvents('order', { shipped: z.object({}) })
const versionOf = ({ db }: Shop, id: string) =>
  db.transaction(async (tx) => tx.outbox.versionOf(noEvents, id))

describe('without @opentelemetry/api', () => {
  it('there is no trace context, and nothing fails', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'outbox-trace-'))
    onTestFinished(() => rm(folder, { recursive: true }))
    const source = new URL('../../src/transaction/trace-context.ts', import.meta.url)
    await copyFile(source, join(folder, 'trace-context.mts'))
    const print = `import { activeTraceContext } from './trace-context.mjs'
      console.log(JSON.stringify(activeTraceContext()))`
    await writeFile(join(folder, 'print.mts'), print)
    const tsx = ['--import', fileURLToPath(import.meta.resolve('tsx'))]
    const { stdout } = await promisify(execFile)(process.execPath, [...tsx, join(folder, 'print.mts')])
    expect(stdout).toBe('{}\n')
  })
})
