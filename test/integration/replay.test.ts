import { sql } from 'drizzle-orm'
import {
  cancelReplay,
  createRelay,
  deadLetters,
  memoryPublisher,
  OutboxError,
  type Publisher,
  type Relay,
  replay,
} from 'drizzle-outbox'
import { recordedEvents } from 'drizzle-outbox/testing'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { describeEachDriver, orderEvents, rowsOf, type ShopDb } from '../support/drivers.js'
import { nameOf, refusingPublisher } from '../support/publishers.js'

const relays: Relay[] = []
let name = ''
let names = 0
beforeEach(() => {
  name = `replay-${++names}`
})
afterEach(async () => {
  await Promise.all(relays.splice(0).map((relay) => relay.stop({ timeoutMs: 100 })))
})

function relayOf(db: ShopDb, publisher: Publisher): Relay {
  const relay = createRelay({
    db,
    name,
    publisher,
    batchSize: 3,
    minPollMs: 5,
    maxPollMs: 20,
    minBackoffMs: 5,
    maxBackoffMs: 20,
    maxAttempts: 1,
  })
  relays.push(relay)
  return relay
}

const record = (db: ShopDb, ...ids: string[]) =>
  db.transaction(async (tx) => {
    for (const id of ids) tx.outbox.add(orderEvents.shipped(`${name}-${id}`, { carrier: 'x' }))
  })

/** Of this test, without its prefix. `a/1` or, when it came with the first replay, `a/1 r1`. */
const told = (events: readonly { aggregateId: string; aggregateVersion: number; redelivery?: number }[]) =>
  events
    .filter(({ aggregateId }) => aggregateId.startsWith(`${name}-`))
    .map((event) => {
      const text = nameOf(event as never).slice(name.length + 1)
      return event.redelivery === undefined ? text : `${text} r${event.redelivery}`
    })

const own = async (db: ShopDb) =>
  (await recordedEvents(db)).filter(({ aggregateId }) => aggregateId.startsWith(`${name}-`))

describeEachDriver('replay', (shop) => {
  it('publishes again from an event on, marked and under other message ids, and new events after it', async () => {
    const { db } = shop()
    const publisher = memoryPublisher()
    const relay = relayOf(db, publisher)
    await record(db, 'a', 'b', 'a', 'c', 'a')
    await relay.drain()
    const events = await own(db)
    publisher.clear()

    const heard: string[] = []
    relay.on('leaseLost', ({ type }) => heard.push(type))
    relay.on('replayBegun', ({ type, position }) => heard.push(`${type} ${position - events[1]!.position}`))
    const range = await replay(db, { relay: name, from: { eventId: events[1]!.id } })
    expect(range).toEqual({ position: events[1]!.position, events: 4 })
    await record(db, 'b')
    await relay.drain()
    expect(told(publisher.recorded)).toEqual(['b/1 r1', 'a/2 r1', 'c/1 r1', 'a/3 r1', 'b/2'])
    expect(publisher.published.find(({ id }) => id === events[1]!.id)).toMatchObject({ redelivery: '1' })
    expect(heard).toEqual(['replayBegun 0'])

    publisher.clear()
    await replay(db, { relay: name, from: { position: events[4]!.position } })
    await relay.drain()
    expect(told(publisher.recorded)).toEqual(['a/3 r2', 'b/2 r2'])
    await record(db, 'b')
    await relay.drain()
    expect(told(publisher.recorded)).toEqual(['a/3 r2', 'b/2 r2', 'b/3'])
  })

  it('begins at a time; a dry run changes nothing', async () => {
    const { db } = shop()
    const publisher = memoryPublisher()
    const relay = relayOf(db, publisher)
    await record(db, 'a')
    await new Promise((resolve) => setTimeout(resolve, 5))
    await record(db, 'a', 'a')
    await relay.drain()
    publisher.clear()
    const [, second] = await own(db)
    const from = { time: new Date(second!.occurredAt.getTime()) }
    expect(await replay(db, { relay: name, from, dryRun: true })).toEqual({
      position: second!.position,
      events: 2,
    })
    await relay.drain()
    expect(publisher.recorded).toEqual([])
    await replay(db, { relay: name, from })
    await relay.drain()
    expect(told(publisher.recorded)).toEqual(['a/2 r1', 'a/3 r1'])
    const later = { time: new Date(Date.now() + 3_600_000) }
    expect(await replay(db, { relay: name, from: later })).toEqual({ position: undefined, events: 0 })
  })

  it('in the middle of a window adds what is published, and loses nothing of the window', async () => {
    const { db } = shop()
    const memory = memoryPublisher()
    let broken = false
    const relay = relayOf(db, {
      ...memory,
      publish: async (events, options) => {
        if (!broken) return memory.publish(events, options)
        const unavailable = new OutboxError('ERR_OUTBOX_UNAVAILABLE', 'away', {})
        return { unacknowledged: events, duplicates: 0, refused: [], unavailable }
      },
    })
    await record(db, 'a', 'b')
    await relay.drain()
    await relay.start()
    broken = true
    await record(db, 'a', 'b', 'a', 'b', 'a')
    await expect.poll(() => relay.status().state).toBe('paused')
    await relay.stop({ timeoutMs: 0 })
    const [first] = await own(db)
    memory.clear()
    await replay(db, { relay: name, from: { position: first!.position + 1 } })
    broken = false
    await relay.drain()
    // What was never published is marked as well: nobody can tell what the broker has of an open window.
    expect(told(memory.recorded)).toEqual(['b/1 r1', 'a/2 r1', 'b/2 r1', 'a/3 r1', 'b/3 r1', 'a/4 r1'])
  })

  it('leaves discarded events out, and parked ones where they are', async () => {
    const { db } = shop()
    const bad =
      (id: string) =>
      ({ aggregateId }: { aggregateId: string }) =>
        aggregateId === `${name}-${id}`
    const { publisher, memory } = refusingPublisher(
      (event) =>
        (bad('gone')(event) && event.aggregateVersion === 2) ||
        (bad('bad')(event) && event.aggregateVersion === 2),
    )
    const relay = relayOf(db, publisher)
    const letters = deadLetters(db, { relay: name })
    await record(db, 'gone', 'bad', 'good', 'gone', 'bad', 'bad', 'gone')
    await relay.drain()
    await letters.discard({ aggregate: { type: 'order', id: `${name}-gone` } })
    await relay.start()
    await expect.poll(() => told(memory.recorded)).toContain('gone/3')
    memory.clear()
    const [first] = await own(db)
    await replay(db, { relay: name, from: { position: first!.position } })
    await relay.drain()
    expect(told(memory.recorded)).toEqual(['gone/1 r1', 'bad/1 r1', 'good/1 r1', 'gone/3 r1'])
    expect(await letters.list()).toMatchObject([{ aggregateId: `${name}-bad`, state: 'parked', waiting: 1 }])
  })

  it('can be cancelled, and goes on where a relay died in it', async () => {
    const { db } = shop()
    const memory = memoryPublisher()
    const replays: (string | undefined)[] = []
    const publisher: Publisher = {
      ...memory,
      recover: async (from) => {
        replays.push(from.replay)
        return { state: '{}', stored: new Set() }
      },
    }
    await record(db, 'a', 'a', 'a', 'a', 'a', 'a')
    const events = await own(db)
    await relayOf(db, publisher).drain()
    memory.clear()
    const from = { position: events[0]!.position }
    await replay(db, { relay: name, from })
    expect(await cancelReplay(db, { relay: name })).toBe(true)
    expect(await cancelReplay(db, { relay: name })).toBe(false)
    await relayOf(db, publisher).drain()
    expect(memory.recorded).toEqual([])

    await replay(db, { relay: name, from })
    let pages = 0
    const dying = relayOf(db, {
      ...publisher,
      publish: (page, options) => (pages++ === 0 ? publisher.publish(page, options) : new Promise(() => {})),
    })
    void dying.drain().catch(() => {})
    await expect.poll(() => pages).toBe(2)
    await dying.stop({ timeoutMs: 0 })
    await relayOf(db, publisher).drain()
    expect(told(memory.recorded)).toEqual([1, 2, 3, 4, 5, 6].map((version) => `a/${version} r2`))
    expect(replays.slice(-2)).toEqual(['asked', 'begun'])
    const result = await db.execute(sql`select replay_from from outbox_relays where name = ${name}`)
    expect(rowsOf(result as never)).toEqual([{ replay_from: null }])
  })

  it('refuses what it cannot begin at', async () => {
    const { db } = shop()
    const invalid = { code: 'ERR_OUTBOX_OPTION_INVALID' }
    await record(db, 'a')
    const starts: object[] = [
      {},
      { position: 0 },
      { position: 1.5 },
      { eventId: 'x' },
      { time: new Date('x') },
    ]
    for (const from of starts)
      await expect(replay(db, { relay: name, from: from as never })).rejects.toMatchObject(invalid)
    await expect(replay(db, { relay: 'nobody', from: { position: 1 } })).rejects.toMatchObject(invalid)
  })
})
