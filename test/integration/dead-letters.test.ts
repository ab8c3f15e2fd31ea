import { sql } from 'drizzle-orm'
import { createRelay, deadLetters, type Publisher, type Relay, type RelayOptions } from 'drizzle-outbox'
import { afterEach, expect, it, vi } from 'vitest'
import { codeOf } from '../support/code-of.js'
import { describeEachDriver, orderEvents, type ShopDb } from '../support/drivers.js'
import { refusingPublisher, unavailableOutcome } from '../support/publishers.js'

const relays: Relay[] = []
afterEach(async () => {
  await Promise.all(relays.splice(0).map((relay) => relay.stop({ timeoutMs: 100 })))
})

let names = 0
const quick = { minPollMs: 5, maxPollMs: 20, minBackoffMs: 5, maxBackoffMs: 20, maxAttempts: 3 }

/** Of a name that begins at the end of the log. */
async function named(db: ShopDb): Promise<string> {
  const name = `dead-${++names}`
  await db.execute(sql`
    insert into outbox_relays (name, snapshot, cluster, epoch)
    select ${name}, pg_current_snapshot(), system_identifier::text, 0 from pg_control_system()`)
  return name
}

function relayOf(db: ShopDb, name: string, publisher: Publisher, options: Partial<RelayOptions> = {}): Relay {
  const relay = createRelay({ db, name, publisher, ...quick, ...options })
  relays.push(relay)
  return relay
}

const record = (db: ShopDb, ...ids: string[]) =>
  db.transaction(async (tx) => {
    for (const id of ids) tx.outbox.add(orderEvents.shipped(id, { carrier: 'x' }))
  })

/** Aggregates of their own for each test: the tables are shared. */
const idsOf = (...ids: string[]) => ids.map((id) => `${id}-${names}`)

describeEachDriver('dead letters', (shop) => {
  it('an event is tried so often, then parked with its error; its aggregate waits and all others flow', async () => {
    const { db } = shop()
    const name = await named(db)
    const [bad = '', good = ''] = idsOf('bad', 'good')
    const { publisher, published } = refusingPublisher(({ aggregateId }) => aggregateId === bad)
    const relay = relayOf(db, name, publisher, { batchSize: 2 })
    const told: string[] = []
    relay.on('refused', ({ attempts, aggregateId }) => told.push(`refused ${aggregateId} ${attempts}`))
    relay.on('deadLettered', ({ attempts, holds }) => told.push(`dead ${attempts} ${holds}`))
    await record(db, good, bad, bad, good, bad)
    await record(db, bad, good)
    await relay.drain()

    expect(published()).toEqual([`${good}/1`, `${good}/2`, `${good}/3`])
    expect(told).toEqual([`refused ${bad} 1`, `refused ${bad} 2`, 'dead 3 true'])
    const letters = deadLetters(db, { relay: name })
    expect(await letters.list()).toEqual([
      {
        relay: name,
        position: expect.any(Number),
        eventId: expect.stringMatching(/^[\da-f-]{36}$/),
        type: 'order.shipped',
        aggregateType: 'order',
        aggregateId: bad,
        state: 'parked',
        holds: true,
        waiting: 3,
        attempts: 3,
        error: { code: 'ERR_OUTBOX_EVENT_REFUSED', message: 'too large' },
        firstFailedAt: expect.any(Date),
        lastFailedAt: expect.any(Date),
      },
    ])
    expect(await letters.list({ state: 'waiting' })).toHaveLength(3)

    // Another relay object, and new events: they wait as well.
    await relay.stop()
    const next = relayOf(db, name, publisher)
    await record(db, bad, good)
    await next.drain()
    expect(published()).toHaveLength(4)
    expect(await letters.list({ state: 'waiting' })).toHaveLength(4)
  })

  it('goes on by itself when an event is taken in the end, in the order of its aggregate', async () => {
    const { db } = shop()
    const name = await named(db)
    const [flaky = ''] = idsOf('flaky')
    let refusals = 0
    const { publisher, published } = refusingPublisher(
      ({ aggregateId, aggregateVersion }) =>
        aggregateId === flaky && aggregateVersion % 2 === 0 && refusals++ % 3 < 2,
    )
    const relay = relayOf(db, name, publisher)
    const released = vi.fn()
    relay.on('released', released)
    await record(db, ...Array.from({ length: 9 }, () => flaky))
    await relay.drain()
    expect(published()).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9].map((version) => `${flaky}/${version}`))
    expect(released).toHaveBeenCalledWith({ type: 'released', aggregateType: 'order', aggregateId: flaky })
    expect(relay.status()).not.toHaveProperty('heldAggregates') // it leads no more
    expect(await deadLetters(db, { relay: name }).list({ state: ['waiting', 'parked', 'retrying'] })).toEqual(
      [],
    )
  })

  it('retry publishes the event and then, in order, all that has come since', async () => {
    const { db } = shop()
    const name = await named(db)
    const [bad = '', worse = ''] = idsOf('bad', 'worse')
    let mended = false
    const { publisher, published } = refusingPublisher(({ aggregateId }) => !mended || aggregateId === worse)
    const relay = relayOf(db, name, publisher, { batchSize: 4 })
    await relay.start()
    for (let round = 0; round < 5; round++) await record(db, bad, worse, bad)
    const letters = deadLetters(db, { relay: name })
    await expect.poll(() => letters.list({ state: 'parked' })).toHaveLength(2)
    await expect.poll(() => letters.list({ state: 'waiting' })).toHaveLength(13)
    expect(relay.status().heldAggregates).toBe(2)

    mended = true
    expect(await letters.retry({ aggregate: { type: 'order', id: bad } })).toBe(1)
    await record(db, bad)
    await expect.poll(published, { timeout: 10_000 }).toHaveLength(11)
    expect(published()).toEqual(Array.from({ length: 11 }, (_, i) => `${bad}/${i + 1}`))
    await expect.poll(() => relay.status().heldAggregates).toBe(1)
    await record(db, bad)
    await expect.poll(published).toHaveLength(12)
    const left = await letters.list()
    expect(left.map(({ aggregateId, waiting }) => [aggregateId, waiting])).toEqual([[worse, 4]])
  })

  it('discard passes the event by, and what waits behind it is published', async () => {
    const { db } = shop()
    const name = await named(db)
    const [bad = ''] = idsOf('bad')
    const { publisher, published } = refusingPublisher(({ aggregateVersion }) => aggregateVersion === 2)
    const relay = relayOf(db, name, publisher)
    await relay.start()
    await record(db, bad, bad, bad, bad)
    const letters = deadLetters(db, { relay: name })
    await expect.poll(() => letters.list({ state: 'parked' })).toHaveLength(1)
    const [letter] = await letters.list()
    expect(await letters.discard({ id: letter!.eventId })).toBe(1)
    await expect.poll(published, { timeout: 10_000 }).toEqual([`${bad}/1`, `${bad}/3`, `${bad}/4`])
    expect(await letters.list({ state: 'discarded' })).toMatchObject([
      { eventId: letter!.eventId, resolvedAt: expect.any(Date), waiting: 0 },
    ])
    await record(db, bad)
    await expect.poll(published).toHaveLength(4)
  })

  it('with onRefused "continue" the aggregate goes on after the last attempt', async () => {
    const { db } = shop()
    const name = await named(db)
    const [bad = ''] = idsOf('bad')
    let mended = false
    const { publisher, published } = refusingPublisher(
      ({ aggregateVersion }) => !mended && aggregateVersion === 2,
    )
    const relay = relayOf(db, name, publisher, { onRefused: { 'order.shipped': 'continue' } })
    await record(db, bad, bad, bad)
    await relay.drain()
    expect(published()).toEqual([`${bad}/1`, `${bad}/3`])
    const letters = deadLetters(db, { relay: name })
    expect(await letters.list()).toMatchObject([{ state: 'parked', holds: false, waiting: 0 }])
    mended = true
    expect(await letters.retry({ all: true })).toBe(1)
    await relay.drain()
    expect(published()).toEqual([`${bad}/1`, `${bad}/3`, `${bad}/2`])
  })

  it('what the broker says while it is unavailable counts against no event', async () => {
    const { db } = shop()
    const name = await named(db)
    const [bad = ''] = idsOf('bad')
    let mended = false
    let away = 0
    const { publisher, published } = refusingPublisher(() => !mended)
    const relay = relayOf(db, name, {
      ...publisher,
      publish: (events, options) =>
        away-- > 0 ? Promise.resolve(unavailableOutcome(events)) : publisher.publish(events, options),
    })
    await record(db, bad, bad)
    await relay.drain()
    const letters = deadLetters(db, { relay: name })
    mended = true
    away = 7
    await letters.retry({ type: 'order.shipped' })
    await relay.drain()
    expect(published()).toEqual([`${bad}/1`, `${bad}/2`])
    expect(await letters.list()).toEqual([])
  })

  it('a relay that died in the middle of an attempt has tried it; one that was stored is not sent again', async () => {
    const { db } = shop()
    const name = await named(db)
    const [stored = '', lost = ''] = idsOf('stored', 'lost')
    const { publisher, memory, published } = refusingPublisher(() => true)
    const first = relayOf(db, name, publisher)
    await record(db, stored, lost, lost)
    await first.drain()
    // As a relay leaves it that dies in its last attempt.
    await db.execute(sql`
      update outbox_dead_letters set state = 'sending', next_attempt_at = clock_timestamp()
      where relay = ${name} and state = 'parked'`)
    const sent: string[] = []
    const ids = (await deadLetters(db, { relay: name }).list())
      .filter(({ aggregateId }) => aggregateId === stored)
      .map(({ eventId }) => eventId)
    const second = relayOf(db, name, {
      ...memory,
      recover: async ({ unsettled }) => ({ state: '{}', stored: new Set(unsettled ? ids : []) }),
      publish: async (events, options) => {
        sent.push(...events.map(({ aggregateId }) => aggregateId))
        return memory.publish(events, options)
      },
    })
    await second.drain()
    expect(sent).toEqual([])
    expect(published()).toEqual([])
    expect(await deadLetters(db, { relay: name }).list()).toMatchObject([
      { aggregateId: lost, state: 'parked', waiting: 1, error: { code: 'ERR_OUTBOX_RELAY_DIED' } },
    ])
  })

  it('an event that ends relay after relay is found, and parked; everything else is published once', async () => {
    const { db } = shop()
    const name = await named(db)
    const [deadly = '', good = ''] = idsOf('deadly', 'good')
    const { publisher, published } = refusingPublisher(() => false)
    await record(db, good, deadly, good, deadly, good)
    let deaths = 0
    for (let alive = false; !alive && deaths < 20; ) {
      let die = () => {}
      const died = new Promise<false>((resolve) => {
        die = () => resolve(false)
      })
      const relay = relayOf(db, name, {
        ...publisher,
        publish: async (events, options) => {
          if (!events.some(({ aggregateId }) => aggregateId === deadly))
            return publisher.publish(events, options)
          die()
          return new Promise(() => {}) // as if the process had ended
        },
      })
      const drained = relay.drain().then(() => true)
      drained.catch(() => {})
      alive = await Promise.race([drained, died])
      if (alive) break
      deaths++
      await relay.stop({ timeoutMs: 0 })
      // It goes as a process goes: without giving up its lease.
      await db.execute(sql`update outbox_relays set owner = 'a dead one' where name = ${name}`)
    }
    expect(deaths).toBeGreaterThan(5)
    expect(published()).toEqual([`${good}/1`, `${good}/2`, `${good}/3`])
    expect(await deadLetters(db, { relay: name }).list()).toMatchObject([
      { aggregateId: deadly, state: 'parked', waiting: 1, error: { code: 'ERR_OUTBOX_RELAY_DIED' } },
    ])
  })

  it('relays that end while the broker is away condemn no event', async () => {
    const { db } = shop()
    const name = await named(db)
    const [good = ''] = idsOf('good')
    const { publisher, published } = refusingPublisher(() => false)
    await record(db, good, good)
    for (let death = 1; death <= 12; death++) {
      let die = () => {}
      const died = new Promise<void>((resolve) => {
        die = resolve
      })
      // Every other one finds the broker, and loses it as it publishes.
      let away = death % 2 === 0
      const relay = relayOf(db, name, {
        ...publisher,
        recover: async () => {
          if (!away) return { state: '{}', stored: new Set() }
          die()
          return new Promise(() => {}) // as if the process had ended
        },
        publish: async (events) => {
          away = true
          return unavailableOutcome(events)
        },
      })
      await Promise.race([died, relay.drain().catch(() => {})])
      await relay.stop({ timeoutMs: 0 })
      await db.execute(sql`update outbox_relays set owner = 'a dead one' where name = ${name}`)
    }
    await relayOf(db, name, publisher).drain()
    expect(await deadLetters(db, { relay: name }).list()).toEqual([])
    expect(published()).toEqual([`${good}/1`, `${good}/2`])
  })

  it('refuses a choice of everything that does not say so, and what it cannot look for', async () => {
    const letters = deadLetters(shop().db)
    const invalid = { code: 'ERR_OUTBOX_OPTION_INVALID' }
    await expect(letters.discard({})).rejects.toMatchObject(invalid)
    await expect(letters.retry({ id: undefined })).rejects.toMatchObject(invalid)
    await expect(letters.list({ id: 'x' })).rejects.toMatchObject(invalid)
    await expect(letters.list({ since: new Date('x') })).rejects.toMatchObject(invalid)
    const relay = (options: object) => () =>
      createRelay({ db: shop().db, publisher: refusingPublisher(() => false).publisher, ...options })
    expect(codeOf(relay({ maxAttempts: 0 }))).toBe('ERR_OUTBOX_OPTION_INVALID')
    expect(codeOf(relay({ onRefused: { 'order.shipped': 'drop' } }))).toBe('ERR_OUTBOX_OPTION_INVALID')
  })
})
