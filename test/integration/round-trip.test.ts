import { sql } from 'drizzle-orm'
import { type DomainEvent, defineEvents, type RecordedEvent } from 'drizzle-outbox'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { z } from 'zod'
import { readLog } from '../../src/event-log/read-log.js'
import { aggregate, eventMaker, expectedOf } from '../support/arbitrary-events.js'
import { describeEachDriver, type ShopDb } from '../support/drivers.js'
import { runs } from '../support/runs.js'

const MAX_EVENT_BYTES = 512 * 1024 // the default

/** Events in transactions of each shape that the flush has. */
const shapes: Record<string, fc.Arbitrary<readonly DomainEvent[]>> = {
  'one event': fc.tuple(eventMaker, aggregate).map(([make, of]) => [make(of)]),
  'events of one aggregate': fc
    .tuple(fc.array(eventMaker, { minLength: 2, maxLength: 12 }), aggregate)
    .map(([makers, of]) => makers.map((make) => make(of))),
  'events of several aggregates': fc
    .tuple(
      fc.array(fc.tuple(eventMaker, fc.nat({ max: 2 })), { minLength: 2, maxLength: 16 }),
      fc.tuple(aggregate, aggregate, aggregate),
    )
    .map(([makers, of]) => makers.map(([make, index]) => make(of[index]!))),
}

/** PGlite drops a byte order mark at the beginning of any text that it reads. */
function isReadByPGlite({ type, aggregateType, aggregateId }: DomainEvent): boolean {
  return ![type, aggregateType, aggregateId].some((text) => text.startsWith('\ufeff'))
}

/** The whole log, which is emptied. */
async function takeLog(db: ShopDb): Promise<Omit<RecordedEvent, 'position'>[]> {
  const events = await readLog(db['~drizzle-outbox'].log, db['~drizzle-outbox'].source)
  await db.execute(sql`delete from outbox_events`)
  await db.execute(sql`delete from outbox_aggregates`)
  return events.map(({ position: _, ...event }) => event)
}

const store = (db: ShopDb, events: readonly DomainEvent[]) =>
  db.transaction(async (tx) => tx.outbox.add(...events))

/** Of the years that have four digits in ISO 8601, and in PostgreSQL. */
const firstTime = Date.parse('0001-01-01T00:00:00.000Z')
const lastTime = Date.parse('9999-12-31T23:59:59.999Z')

const documents = defineEvents('document', { written: z.unknown() })

/** As text whose JSON is so many bytes. */
function ofBytes(bytes: number, character: string): string {
  const each = Buffer.byteLength(JSON.stringify(character)) - 2
  const count = Math.floor((bytes - 2) / each)
  return character.repeat(count) + 'x'.repeat(bytes - 2 - count * each)
}

describeEachDriver('the log', (shop, driver) => {
  it.each(Object.entries(shapes))('gives back %s byte for byte', async (_, arbitrary) => {
    const { db } = shop()
    await takeLog(db)
    await fc.assert(
      fc.asyncProperty(arbitrary, async (events) => {
        fc.pre(driver !== 'PGlite' || events.every(isReadByPGlite))
        const expected = expectedOf(events)
        await store(db, events)
        expect(await takeLog(db)).toEqual(expected)
      }),
      runs(15),
    )
  })

  it.each(['x', '"', 'ü', '日', '😀', '\u2028', '\u0001', '\\'])(
    'gives back data of maxEventBytes, of %j',
    async (character) => {
      const { db } = shop()
      await takeLog(db)
      const of = (id: string) => documents.written(id, ofBytes(MAX_EVENT_BYTES, character))
      for (const events of [[of('1')], [of('2'), of('2')], [of('3'), of('4')]]) {
        const expected = expectedOf(events)
        expect(expected.map(({ data }) => Buffer.byteLength(data))).toEqual(events.map(() => MAX_EVENT_BYTES))
        await store(db, events)
        expect(await takeLog(db)).toEqual(expected)
      }
    },
  )

  it('gives back data that is nested 200 levels deep', async () => {
    const { db } = shop()
    await takeLog(db)
    let nested: unknown = 'x'
    for (let i = 0; i < 100; i++) nested = [{ nested }]
    for (const ids of [['1'], ['2', '2'], ['3', '4']]) {
      const events = ids.map((id) => documents.written(id, nested))
      const expected = expectedOf(events)
      await store(db, events)
      expect(await takeLog(db)).toEqual(expected)
    }
  })

  it('gives back the data as of when it was recorded', async () => {
    const { db } = shop()
    await takeLog(db)
    const data = { items: ['before'] }
    const recorded = documents.written('1', data)
    const expected = expectedOf([recorded])
    await db.transaction(async (tx) => {
      data.items[0] = 'between'
      tx.outbox.add(recorded)
      data.items.push('after')
    })
    expect(await takeLog(db)).toEqual(expected)
  })

  it('gives back events that were put together by hand', async () => {
    const { db } = shop()
    await takeLog(db)
    const times = [0, 1, -1, 999, Date.UTC(2038, 0, 19, 3, 14, 8), firstTime, lastTime]
    const events = times.map(
      (time): DomainEvent => ({ ...documents.written(`at ${time}`, { time }), occurredAt: new Date(time) }),
    )
    const expected = expectedOf(events)
    for (const recorded of events) await store(db, [recorded])
    expect(await takeLog(db)).toEqual(expected)
  })
})
