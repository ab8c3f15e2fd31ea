import { sql } from 'drizzle-orm'
import { createRelay, memoryPublisher, OutboxError, type Relay, type RelayOptions } from 'drizzle-outbox'
import { afterEach, expect, it, vi } from 'vitest'
import { describeEachDriver, Order, orderEvents, type ShopDb } from '../support/drivers.js'
import { brokerDown, faultyPublisher, unavailableOutcome } from '../support/publishers.js'
import { withTrouble } from '../support/trouble.js'

const relays: Relay[] = []
let names = 0

/** A relay of a new name that begins at the end of the log, and is stopped after the test. */
async function relayOf(db: ShopDb, options: Omit<RelayOptions, 'db'>): Promise<Relay> {
  const name = options.name ?? `relay-${++names}`
  await db.execute(sql`
    insert into outbox_relays (name, snapshot, cluster, epoch)
    select ${name}, pg_current_snapshot(), system_identifier::text, 0 from pg_control_system()
    on conflict do nothing`)
  const relay = createRelay({
    db,
    minPollMs: 5,
    maxPollMs: 20,
    minBackoffMs: 5,
    maxBackoffMs: 20,
    ...options,
    name,
  })
  relays.push(relay)
  return relay
}

afterEach(async () => {
  await Promise.all(relays.splice(0).map((relay) => relay.stop({ timeoutMs: 100 })))
})

const record = (db: ShopDb, id: string, count = 1) =>
  db.transaction(async (tx) => {
    for (let i = 0; i < count; i++) tx.outbox.add(orderEvents.shipped(id, { carrier: String(i) }))
  })

const inState = (relay: Relay, state: string) => expect.poll(() => relay.status().state).toBe(state)

describeEachDriver('relay', (shop) => {
  it('tries at once when its broker is available again, however long it would have paused', async () => {
    const { db } = shop()
    const { publisher, published } = faultyPublisher((events) =>
      down ? unavailableOutcome(events) : undefined,
    )
    let down = true
    let tell: (() => void) | undefined
    const onAvailable = (listener: () => void) => {
      tell = listener
      return () => {
        tell = undefined
      }
    }
    const backoff = { minBackoffMs: 3_600_000, maxBackoffMs: 3_600_000 }
    const relay = await relayOf(db, { publisher: { ...publisher, onAvailable }, ...backoff })
    const paused = vi.fn()
    relay.on('paused', paused)
    await relay.start()
    await record(db, 'available again')
    await expect.poll(() => paused.mock.calls.length).toBe(1)
    tell?.() // and it is not: the relay pauses anew
    await expect.poll(() => paused.mock.calls.length).toBe(2)
    down = false
    tell?.()
    await expect.poll(() => published().length).toBe(1)
    await relay.stop()
    expect(tell).toBeUndefined()
  })

  it('names the cause when the database fails, and not the statement', async () => {
    const { db } = shop()
    let away = false
    const flaky = withTrouble(db, async () => {
      if (away) await db.execute(sql`select 1 / 0`)
    })
    const relay = await relayOf(flaky, { publisher: memoryPublisher() })
    const paused = vi.fn()
    relay.on('paused', paused)
    await relay.start()
    away = true
    await expect
      .poll(() => paused.mock.calls[0]?.[0].error)
      .toMatchObject({
        code: 'ERR_OUTBOX_DATABASE_FAILED',
        message: 'the database failed: division by zero (22012)',
        details: { sqlState: '22012' },
      })
  })

  it('publishes what is committed as CloudEvents, in order, woken by the commit alone', async () => {
    const { db } = shop()
    const publisher = memoryPublisher()
    const relay = await relayOf(db, { publisher, minPollMs: 600_000, maxPollMs: 600_000 })
    await relay.start()
    await inState(relay, 'idle')
    const order = Order.place('woken', 7)
    await db.transaction(async (tx) => {
      order.ship()
      tx.outbox.add(order)
    })
    await expect.poll(() => publisher.published).toHaveLength(2)
    expect(publisher.published).toMatchObject([
      {
        type: 'order.placed',
        source: '/shop',
        subject: 'woken',
        sequence: '0000000000000001',
        data: { total: 7 },
      },
      { type: 'order.shipped', source: '/shop', subject: 'woken', sequence: '0000000000000002' },
    ])
    await expect.poll(() => relay.status()).toMatchObject({ published: 2, state: 'idle' })
  })

  it('finds by polling what another process committed', async () => {
    const { db, open } = shop()
    const publisher = memoryPublisher()
    await (await relayOf(db, { publisher })).start()
    await record(open(), 'elsewhere')
    await expect.poll(() => publisher.published).toHaveLength(1)
  })

  it('begins at the beginning of the log under a new name, and publishes once under one it had', async () => {
    const { db } = shop()
    await record(db, 'history', 3)
    const publisher = memoryPublisher()
    const relay = createRelay({ db, publisher, name: 'from-the-beginning', batchSize: 2 })
    await relay.drain()
    const log = await db.$count(sql`outbox_events`)
    expect(publisher.published).toHaveLength(log)
    publisher.clear()
    await createRelay({ db, publisher, name: 'from-the-beginning' }).drain()
    expect(publisher.published).toHaveLength(0)
  })

  it('reads pages of so many bytes, which one large event may exceed', async () => {
    const { db } = shop()
    const pages: number[] = []
    const { publisher, published } = faultyPublisher((events) => void pages.push(events.length))
    const relay = await relayOf(db, { publisher, batchSize: 5, batchBytes: 1000 })
    const sizes = [400, 400, 400, 10, 5000, 10, 10, 10, 10, 10, 10, 900]
    for (const size of sizes)
      await db.transaction(async (tx) =>
        tx.outbox.add(orderEvents.shipped('big', { carrier: 'ä'.repeat(size / 2) })),
      )
    await relay.drain()
    expect(published().map(({ data }) => (data as { carrier: string }).carrier.length * 2)).toEqual(sizes)
    expect(pages.filter((count) => count > 0)).toEqual([3, 2, 5, 2])
  })

  it('goes on in mid-window where another relay stopped', async () => {
    const { db } = shop()
    const name = `mid-window-${++names}`
    let pages = 0
    const first = faultyPublisher((events) => (++pages > 3 ? unavailableOutcome(events) : undefined))
    const relay = await relayOf(db, { name, publisher: first.publisher, batchSize: 2 })
    await record(db, 'window', 10)
    await relay.start()
    await inState(relay, 'paused')
    await relay.stop()
    expect(first.published()).toHaveLength(6)

    const second = memoryPublisher()
    const next = await relayOf(db, { name, publisher: second, batchSize: 2 })
    await record(db, 'window', 1) // not in the window: comes after it
    await next.drain()
    expect([...first.published(), ...second.published].map(({ sequence }) => Number(sequence))).toEqual(
      Array.from({ length: 11 }, (_, i) => i + 1),
    )
  })

  it('waits for the broker, says so, and loses nothing', async () => {
    const { db } = shop()
    let attempts = 0
    const { publisher, published } = faultyPublisher((events) =>
      ++attempts <= 3 ? unavailableOutcome(events) : undefined,
    )
    const relay = await relayOf(db, { publisher })
    const told: string[] = []
    relay.on('paused', ({ by, error, attempt }) =>
      told.push(`paused ${by} ${(error as OutboxError).code} ${attempt}`),
    )
    relay.on('resumed', () => told.push('resumed'))
    relay.on('published', ({ count }) => told.push(`published ${count}`))
    await record(db, 'patience', 2)
    await relay.drain()
    expect(published()).toHaveLength(2)
    expect(told).toEqual([
      'paused broker ERR_OUTBOX_UNAVAILABLE 1',
      'paused broker ERR_OUTBOX_UNAVAILABLE 2',
      'paused broker ERR_OUTBOX_UNAVAILABLE 3',
      'resumed',
      'published 2',
    ])
  })

  it('starts while the broker is away, and prepares again until it is there', async () => {
    const { db } = shop()
    const publisher = memoryPublisher()
    const prepare = vi.fn().mockRejectedValueOnce(brokerDown()).mockRejectedValueOnce(brokerDown())
    const relay = await relayOf(db, { publisher: { ...publisher, prepare } })
    await record(db, 'early')
    await relay.start()
    await expect.poll(() => publisher.published).toHaveLength(1)
    expect(prepare).toHaveBeenCalledTimes(3)
  })

  it('tries a refused event again; its aggregate waits behind it, the others of the page go on', async () => {
    const { db } = shop()
    let refusals = 0
    const { publisher, published } = faultyPublisher((events) => {
      const refused = events.filter(({ aggregateId }) => aggregateId === 'poison')
      if (refused.length === 0 || ++refusals > 2) return undefined
      const error = new OutboxError('ERR_OUTBOX_EVENT_REFUSED', 'too large', {
        eventId: refused[0]?.id ?? '',
      })
      return { unacknowledged: refused, duplicates: 0, refused: [error] }
    })
    const relay = await relayOf(db, { publisher })
    const errors: string[] = []
    relay.on('refused', ({ error }) => errors.push(error.code))
    await record(db, 'poison', 2)
    await record(db, 'healthy', 1)
    await relay.drain()
    expect(errors).toEqual(['ERR_OUTBOX_EVENT_REFUSED', 'ERR_OUTBOX_EVENT_REFUSED'])
    expect(published().filter(({ subject }) => subject === 'poison')).toHaveLength(2)
  })

  it('waits and tries again when a publisher breaks its promise and rejects', async () => {
    const { db } = shop()
    let attempts = 0
    const { publisher, published } = faultyPublisher(() => {
      if (++attempts === 1) throw new Error('a bug in the publisher')
      return undefined
    })
    const relay = await relayOf(db, { publisher })
    const paused = vi.fn()
    relay.on('paused', paused)
    await record(db, 'rejected')
    await relay.drain()
    expect(published()).toHaveLength(1)
    expect(paused).toHaveBeenCalledExactlyOnceWith(
      expect.objectContaining({ by: 'broker', error: new Error('a bug in the publisher') }),
    )
  })

  it('does not spin over an event that no snapshot sees', async () => {
    const { db } = shop()
    const publisher = memoryPublisher()
    const relay = await relayOf(db, { publisher, minPollMs: 50, maxPollMs: 50 })
    const windows = vi.fn()
    relay.on('checkpoint', windows)
    await relay.start()
    await record(db, 'seen')
    await db.execute(sql`
      insert into outbox_events (xid, id, aggregate_type, aggregate_id, aggregate_version, type, data)
      values ('900000000000', gen_random_uuid(), 'order', 'from elsewhere', 1, 'order.placed', '{}')`)
    await new Promise((resolve) => setTimeout(resolve, 500))
    expect(windows.mock.calls.length).toBeLessThan(20)
    await record(db, 'seen')
    await expect.poll(() => publisher.published).toHaveLength(2)
    await db.execute(sql`delete from outbox_events where xid = '900000000000'`)
  })

  it('publishes nothing more once another has taken over, and takes over again when that one lets go', async () => {
    const { db } = shop()
    const publisher = memoryPublisher()
    const relay = await relayOf(db, { publisher, leaseMs: 900 })
    const lost = vi.fn()
    relay.on('leaseLost', lost)
    await relay.start()
    await inState(relay, 'idle')
    const { name } = relay.status()
    await db.execute(sql`
      update outbox_relays set epoch = epoch + 1, owner = 'other', lease_until = now() + interval '1 hour'
      where name = ${name}`)
    await record(db, 'fenced')
    await inState(relay, 'standby')
    expect(lost).toHaveBeenCalled()
    expect(publisher.published).toHaveLength(0)
    await db.execute(sql`update outbox_relays set lease_until = null where name = ${name}`)
    await expect.poll(() => publisher.published).toHaveLength(1)
  })

  it('stores no checkpoint under an epoch that is over', async () => {
    const { db } = shop()
    const name = `usurped-${++names}`
    const { publisher, published } = faultyPublisher(async () => {
      await db.execute(sql`
        update outbox_relays set epoch = epoch + 1, owner = 'other', lease_until = now() + interval '1 hour'
        where name = ${name}`)
      return undefined
    })
    const relay = await relayOf(db, { name, publisher })
    await record(db, 'usurped')
    await relay.start()
    await expect.poll(() => published()).toHaveLength(1)
    await inState(relay, 'standby')
    const successor = memoryPublisher()
    await db.execute(sql`update outbox_relays set lease_until = null where name = ${name}`)
    await relay.stop()
    await (await relayOf(db, { name, publisher: successor })).drain()
    expect(successor.published).toHaveLength(1) // the window was still open
  })

  it('stands by behind another relay of its name, and leads as soon as that one stops', async () => {
    const { db } = shop()
    const name = `pair-${++names}`
    const [first, second] = [memoryPublisher(), memoryPublisher()]
    const leading = await relayOf(db, { name, publisher: first })
    const standby = await relayOf(db, { name, publisher: second })
    await leading.start()
    await inState(leading, 'idle')
    await standby.start()
    await inState(standby, 'standby')
    await record(db, 'pair')
    await expect.poll(() => first.published).toHaveLength(1)
    await leading.stop()
    await record(db, 'pair')
    await expect.poll(() => second.published).toHaveLength(1)
    expect(first.published).toHaveLength(1)
  })

  it('lets relays of different names publish the whole log each', async () => {
    const { db } = shop()
    const publishers = [memoryPublisher(), memoryPublisher()]
    const both = await Promise.all(publishers.map((publisher) => relayOf(db, { publisher })))
    await record(db, 'twice', 2)
    await Promise.all(both.map((relay) => relay.drain()))
    for (const { published } of publishers) expect(published).toHaveLength(2)
  })

  it('drains what was committed before the call, and says why it cannot', async () => {
    const { db } = shop()
    const { publisher } = faultyPublisher(unavailableOutcome)
    const relay = await relayOf(db, { publisher })
    await record(db, 'stuck')
    await relay.start()
    await expect(relay.drain({ signal: AbortSignal.timeout(30) })).rejects.toMatchObject({
      name: 'TimeoutError',
    })
    const drained = relay.drain()
    const rejected = expect(drained).rejects.toMatchObject({ code: 'ERR_OUTBOX_RELAY_STOPPED' })
    await relay.stop()
    await rejected
    expect(relay.status().state).toBe('stopped')
  })

  it('stops after what is in flight, or gives it up in time; and starts again', async () => {
    const { db } = shop()
    let answer = () => {}
    const gate = new Promise<undefined>((resolve) => {
      answer = () => resolve(undefined)
    })
    const { publisher, published } = faultyPublisher(() => gate)
    const relay = await relayOf(db, { publisher })
    await record(db, 'in-flight')
    await relay.start()
    await inState(relay, 'publishing')
    const stopped = relay.stop()
    answer()
    await stopped
    expect(published()).toHaveLength(1)
    await record(db, 'in-flight')
    await relay.drain()
    expect(published()).toHaveLength(2)

    const hanging = memoryPublisher()
    const deaf: typeof hanging = {
      ...hanging,
      publish: (events, { signal }) =>
        new Promise((resolve) => {
          signal.addEventListener('abort', () =>
            resolve({ unacknowledged: events, duplicates: 0, refused: [] }),
          )
        }),
    }
    const stuck = await relayOf(db, { publisher: deaf })
    await record(db, 'deaf')
    await stuck.start()
    await inState(stuck, 'publishing')
    await stuck.stop({ timeoutMs: 20 })
    expect(stuck.status().state).toBe('stopped')
  })

  it('survives a listener that throws', async () => {
    const { db } = shop()
    const warned = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    const publisher = memoryPublisher()
    const relay = await relayOf(db, { publisher })
    relay.on('published', () => {
      throw new Error('in a listener')
    })
    await record(db, 'listener')
    await relay.drain()
    expect(publisher.published).toHaveLength(1)
    expect(warned).toHaveBeenCalledOnce()
    warned.mockRestore()
  })

  it('gives a statement without an answer up, and goes on when the database answers again', async () => {
    const { db } = shop()
    const publisher = memoryPublisher()
    let deaf = false
    const flaky = withTrouble(db, () => (deaf ? new Promise(() => {}) : undefined))
    const relay = await relayOf(flaky, { publisher, statementTimeoutMs: 50 })
    const paused = vi.fn()
    relay.on('paused', paused)
    await relay.start()
    await inState(relay, 'idle')
    deaf = true
    await expect
      .poll(() => paused.mock.calls[0]?.[0])
      .toMatchObject({ by: 'database', error: { code: 'ERR_OUTBOX_DATABASE_TIMEOUT' } })
    deaf = false
    await record(db, 'deaf')
    await expect.poll(() => publisher.published).toHaveLength(1)
  })
})
