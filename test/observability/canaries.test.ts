/**
 * Payloads, metadata, passwords and what functions of the user throw hold a canary here, and everything goes wrong. It must
 * be found nowhere that anybody reads.
 */
import { connect } from '@nats-io/transport-node'
import type { StandardSchemaV1 } from '@standard-schema/spec'
import { DrizzleQueryError, sql } from 'drizzle-orm'
import {
  createRelay,
  deadLetters,
  defineEvents,
  type Metadata,
  memoryPublisher,
  OutboxError,
  type Publisher,
  type RelayOptions,
  resolveCommit,
  sqlState,
  startHealthServer,
  withOutbox,
} from 'drizzle-outbox'
import { type JetStreamPublisherOptions, jetStreamPublisher } from 'drizzle-outbox/jetstream'
import { observeRelay, observeWrites } from 'drizzle-outbox/prometheus'
import { Registry } from 'prom-client'
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { z } from 'zod'
import { startNats } from '../../dev/servers/index.js'
import {
  describeEachDriver,
  describeEachShakyDriver,
  openShop,
  orderEvents,
  orders,
  type ShopDb,
} from '../support/drivers.js'
import { connect as connectDatabase } from '../support/outbox-databases.js'
import { describeWithNatsServer } from '../support/private-nats.js'
import { overriding } from '../support/publishers.js'
import { Said } from '../support/said.js'
import { describeWithNats } from '../support/servers.js'
import { withTrouble } from '../support/trouble.js'

const CANARY = 'CANARY'
const carrier = `${CANARY} payload`
const metadata: Metadata = {
  correlationId: `${CANARY} metadata`,
  extensions: { tenant: `${CANARY} extension` },
}
const thrown = () =>
  new Error(`${CANARY} of a function\n    at ${CANARY} (${CANARY}:1:1)`, { cause: carrier })

let said: Said
beforeEach(() => {
  said = new Said()
})
afterEach(() => said.end())
const canaries = () => said.with(CANARY)

const shipped = (id = 'o') => orderEvents.shipped(id, { carrier }, metadata)
const store = (db: ShopDb, ...ids: string[]) =>
  db.transaction(async (tx) => tx.outbox.add(...ids.map(shipped)))

let relays = 0
function relayOf(db: ShopDb, publisher: Publisher, options: Partial<RelayOptions> = {}) {
  const name = `canary-${++relays}`
  const backoff = { minBackoffMs: 5, maxBackoffMs: 20 }
  const relay = createRelay({ db, publisher, name, ...backoff, ...options })
  said.relay(relay)
  onTestFinished(() => relay.stop({ timeoutMs: 0 }))
  return relay
}

const patience = { timeout: 20_000 }

it('a canary is found where there is one', async () => {
  said.thing(new DrizzleQueryError('insert', [carrier], new Error('no')))
  said.thing(new OutboxError('ERR_OUTBOX_UNAVAILABLE', 'no', {}, { cause: thrown() }))
  process.emitWarning(thrown())
  await vi.waitFor(() => expect(canaries().length).toBeGreaterThan(5))
})

describeEachDriver('a transaction that fails', (shop) => {
  it.each<[string, (id: string) => string[]]>([
    ['one event', (id) => [id]],
    ['several events of an aggregate', (id) => [id, id]],
    ['events of several aggregates', (id) => [id, `${id}-too`]],
  ])('says nothing of its data when the server refuses %s', async (name, idsOf) => {
    const { db } = shop()
    await db.execute(sql`
      alter table outbox_events add constraint nothing_shipped check (type <> 'order.shipped') not valid`)
    onTestFinished(async () => {
      await db.execute(sql`alter table outbox_events drop constraint nothing_shipped`)
    })
    const error = await said.errorOf(() => store(db, ...idsOf(name)))
    expect(error.message).toContain('violates check constraint "nothing_shipped"')
    expect(sqlState(error)).toBe('23514')
    expect(canaries()).toEqual([])
  })

  it('says nothing of it when the tables are not there, or the transaction was aborted', async () => {
    const { open } = shop()
    const elsewhere = open({ tables: { prefix: 'nowhere_' } })
    expect(await said.errorOf(() => store(elsewhere, 'a'))).toMatchObject({
      code: 'ERR_OUTBOX_TABLES_MISSING',
    })
    const aborted = await said.errorOf(() =>
      elsewhere.transaction(async (tx) => {
        tx.outbox.add(shipped())
        await tx.execute(sql`select 1 / 0`).catch(() => {})
      }),
    )
    expect(sqlState(aborted)).toBe('25P02')
    expect(canaries()).toEqual([])
  })

  it('says nothing of what functions threw that ran after it', async () => {
    const { db, open } = shop()
    const deaf = open({
      onAfterCommitError: () => {
        throw thrown()
      },
    })
    for (const each of [db, deaf])
      await each.transaction(async (tx) => {
        tx.outbox.afterCommit(() => Promise.reject(thrown()))
        tx.outbox.afterCommit(() => Promise.reject(carrier))
      })
    const warnings = () => said.with('OutboxAfterCommitError').join()
    await vi.waitFor(() => {
      expect(warnings()).toMatch(/after a COMMIT: Error at .*canaries\.test\.ts/)
      expect(warnings()).toContain('a string, not an error')
    })
    expect(canaries()).toEqual([])
  })

  it('says nothing of what it cannot record', async () => {
    const { db } = shop()
    const schema = z.object({ email: z.email(), age: z.int() })
    const odd = defineEvents('odd', {
      placed: schema,
      checked: schema.refine(() => {
        throw thrown()
      }),
      large: z.object({ text: z.string() }),
      repeated: schemaOf((value) => ({
        issues: [{ message: `not ${JSON.stringify(value)}`, path: ['email'] }],
      })),
      throwing: schemaOf(() => {
        throw thrown()
      }),
    })
    const email = `${CANARY}-no-email`
    const tries: [() => unknown, string][] = [
      [() => odd.placed('a', { email, age: carrier as never }), 'ERR_OUTBOX_EVENT_INVALID'],
      [() => odd.checked('a', { email: 'a@b.example', age: 1 }), 'ERR_OUTBOX_SCHEMA_ASYNC'],
      [() => odd.throwing('a', { email }), 'ERR_OUTBOX_EVENT_INVALID'],
      [() => odd.large('a', { text: carrier.repeat(200_000) }), 'ERR_OUTBOX_EVENT_TOO_LARGE'],
      [() => odd.large('a', { text: `${carrier}\0` }), 'ERR_OUTBOX_EVENT_NOT_JSON'],
      [() => odd.repeated('a', { email }), 'ERR_OUTBOX_EVENT_INVALID'],
      [() => shippedWith({ correlationId: `${carrier}\0` }), 'ERR_OUTBOX_METADATA_INVALID'],
      [() => shippedWith({ extensions: { tenant: [carrier] as never } }), 'ERR_OUTBOX_METADATA_INVALID'],
      [() => shippedWith({ traceparent: carrier }), 'ERR_OUTBOX_METADATA_INVALID'],
    ]
    for (const [run, code] of tries)
      expect(await said.errorOf(() => db.transaction(async () => run()))).toMatchObject({ code })
    expect(said.with('data.email').length).toBeGreaterThan(0) // where it is wrong, though
    expect(said.with('Invalid email address').length).toBeGreaterThan(0)
    expect(canaries()).toEqual([])
  })

  it('has a relay that says nothing of them when statements fail and listeners throw', async () => {
    const { db } = shop()
    await store(db, 'a', 'b')
    const relay = relayOf(db, memoryPublisher())
    const trouble = [
      sql`select 1 / 0 from (select ${carrier}::text) as data`,
      sql.raw(`do $$ begin raise 'on purpose' using detail = '${CANARY}', hint = '${CANARY}'; end $$`),
    ]
    const flaky = withTrouble(db, async (statement) => {
      const failing = /set next = pg_current_snapshot/.test(statement) ? trouble.pop() : undefined
      if (failing) await db.execute(failing)
    })
    const failing = relayOf(flaky, memoryPublisher())
    for (const each of [relay, failing]) {
      each.on('published', () => {
        throw thrown()
      })
      each.on('checkpoint', (() => Promise.reject(thrown())) as () => void)
      await each.drain()
    }
    expect(said.with('the database failed: division by zero (22012)').length).toBeGreaterThan(0)
    expect(said.with('the database failed: on purpose (P0001)').length).toBeGreaterThan(0)
    await vi.waitFor(() => expect(said.with('OutboxRelayListenerError').length).toBeGreaterThan(1))
    expect(canaries()).toEqual([])
  })

  it('has a relay that says nothing of what its publisher threw, or of what it refused', async () => {
    const { db } = shop()
    await store(db, 'c')
    const memory = memoryPublisher()
    const failures: (keyof Publisher)[] = ['prepare', 'recover', 'publish', 'publish']
    const publisher: Publisher = {
      ...memory,
      prepare: async () => fail('prepare'),
      recover: async () => {
        fail('recover')
        return { state: '{}', stored: new Set<string>() }
      },
      publish: async (events, options) => {
        fail('publish')
        if (events.length > 1) return memory.publish(events, options)
        throw thrown()
      },
    }
    function fail(name: keyof Publisher): void {
      if (failures[0] !== name) return
      failures.shift()
      throw thrown()
    }
    const relay = relayOf(db, publisher)
    expect(await said.errorOf(() => relay.start())).toMatchObject({ code: 'ERR_OUTBOX_PUBLISHER_FAILED' })
    await relay.start()
    await expect.poll(() => failures, patience).toEqual([])
    expect(said.with('publisher memory threw Error at ').length).toBeGreaterThan(0)
    expect(canaries()).toEqual([])
  })

  it('has probes, metrics and dead letters that say nothing of them', async () => {
    const { db } = shop()
    const registry = new Registry()
    observeWrites(db, { registry })
    await store(db, 'd', 'd')
    const memory = memoryPublisher()
    const publisher = overriding(memory, {
      publish: async (events) => ({
        unacknowledged: events,
        duplicates: 0,
        refused: events.slice(0, 1).map(({ id }) => {
          const details = { eventId: id }
          return new OutboxError('ERR_OUTBOX_EVENT_REFUSED', 'it is too large', details)
        }),
      }),
      ping: () => Promise.reject(thrown()),
    })
    const relay = relayOf(db, publisher, { maxAttempts: 1 })
    observeRelay(relay, { registry })
    await relay.start()
    const { name } = relay.status()
    const letters = deadLetters(db, { relay: name })
    await expect.poll(async () => (await letters.list()).length, patience).toBeGreaterThan(0)
    said.thing(await letters.list())
    const server = await startHealthServer({ relays: [relay], port: 0, metrics: registry })
    onTestFinished(() => server.close())
    for (const page of ['metrics', 'healthz', 'readyz', 'else'])
      said.text(await (await fetch(`${server.url}/${page}`)).text())
    expect(said.with('outbox_events_written_total{type="order.shipped"}').length).toBe(1)
    expect(said.with('"broker":"failed"').length).toBe(1)
    expect(canaries()).toEqual([])
  })
})

describeEachShakyDriver('a connection that is lost', (shop, driver) => {
  it('is told of without what was sent', async () => {
    const { proxy, openShaky } = shop()
    const db = openShaky()
    const inMiddle = await said.errorOf(() =>
      db.transaction(async (tx) => {
        tx.outbox.add(shipped('lost'))
        proxy.setTrap({ statement: /CANARY/, at: 'answer', spring: async (wire) => wire.cut() })
        await tx.insert(orders).values({ id: carrier, total: 1 })
      }),
    )
    expect(inMiddle).toMatchObject({ code: 'ERR_OUTBOX_TRANSACTION_LOST' })
    const atFlush = await said.errorOf(() =>
      db.transaction(async (tx) => {
        tx.outbox.add(shipped('lost'))
        proxy.setTrap({ statement: /CANARY/, at: 'answer', spring: async (wire) => wire.cut() })
      }),
    )
    expect(atFlush).toMatchObject({ code: 'ERR_OUTBOX_TRANSACTION_LOST' })
    const atCommit = await said.errorOf(() =>
      db.transaction(async (tx) => {
        tx.outbox.add(shipped('in-doubt'))
        proxy.setTrap({ statement: /commit/i, at: 'answer', spring: async (wire) => wire.cut() })
      }),
    )
    expect(atCommit).toMatchObject({ code: 'ERR_OUTBOX_COMMIT_UNKNOWN' })
    expect(await resolveCommit(atCommit)).toBe('committed')
    expect(canaries()).toEqual([])
  })

  it('of a relay is told of without the password', async () => {
    const { proxy, url } = shop()
    const secret = new URL(url)
    secret.port = String(proxy.port)
    secret.password = `${CANARY}-password`
    const { db, close } = connectDatabase(secret.href, driver)
    onTestFinished(close)
    const relay = relayOf(withOutbox(db, { source: '/shop' }), memoryPublisher())
    await relay.start()
    proxy.refuse(true)
    await expect.poll(() => said.with('ERR_OUTBOX_DATABASE_FAILED').length, patience).toBeGreaterThan(0)
    proxy.refuse(false)
    await relay.drain()
    expect(canaries()).toEqual([])
  })
})

describe('an address that is wrong', () => {
  it('is not repeated with its password', async () => {
    const url = `postgres://user:${CANARY}@127.0.0.1:not-a-port/shop`
    const { db, close } = connectDatabase(url, 'node-postgres')
    onTestFinished(close)
    const relay = relayOf(withOutbox(db, { source: '/shop' }), memoryPublisher())
    expect(await said.errorOf(() => relay.start())).toMatchObject({ code: 'ERR_OUTBOX_DATABASE_FAILED' })
    expect(canaries()).toEqual([])
  })
})

describeWithNatsServer('a relay to JetStream', () => {
  it.each<[string, string | undefined, (url: URL) => JetStreamPublisherOptions['connection']]>([
    [
      'a password in the address',
      `authorization { user: relay, password: ${CANARY}right }`,
      (url) => {
        const servers = `nats://relay:${CANARY}wrong@${url.host}`
        return () => connect({ servers, reconnect: false, timeout: 500 })
      },
    ],
    [
      'a token',
      `authorization { token: ${CANARY}right }`,
      (url) => () => connect({ servers: url.host, token: `${CANARY}wrong`, reconnect: false, timeout: 500 }),
    ],
    ['what the function for connections threw', undefined, () => () => Promise.reject(thrown())],
    [
      'what it threw at once',
      undefined,
      () => () => {
        throw thrown()
      },
    ],
    [
      'an address that is none',
      undefined,
      () => () => connect({ servers: `nats://relay:${CANARY}@not a host:x`, reconnect: false, timeout: 500 }),
    ],
  ])('does not repeat %s', async (_, config, connectionTo) => {
    const nats = config === undefined ? undefined : await startNats({ config })
    onTestFinished(() => nats?.stop())
    const shop = await openShop('node-postgres')
    onTestFinished(() => shop.close())
    const publisher = jetStreamPublisher({
      connection: connectionTo(new URL(nats?.url ?? 'nats://127.0.0.1:1')),
      stream: { name: 'CANARIES' },
      publishTimeoutMs: 1000,
    })
    const relay = relayOf(shop.db, publisher)
    await relay.start()
    await expect.poll(() => said.with('cannot connect to NATS').length, patience).toBeGreaterThan(0)
    await relay.stop()
    expect(canaries().filter((line) => !line.includes('"CANARIES"'))).toEqual([])
  })
})

describeWithNats('events that JetStream does not take', (natsUrl) => {
  it('are dead letters without anything of them', async () => {
    const shop = await openShop('node-postgres')
    onTestFinished(() => shop.close())
    const name = `REFUSED_${process.pid}`
    const publisher = jetStreamPublisher({
      connection: () => connect({ servers: natsUrl }),
      stream: { name, create: { subjects: ['refused.>'], max_msg_size: 2000 }, allow: ['max-payload'] },
      subject: ({ data, aggregateId }) => {
        if (aggregateId === 'thrown') throw thrown()
        return aggregateId === 'wildcard' ? `refused.*.${JSON.parse(data).carrier}` : 'refused.fine'
      },
    })
    const relay = relayOf(shop.db, publisher, { maxAttempts: 2 })
    await store(shop.db, 'thrown', 'wildcard', 'fine')
    await shop.db.transaction(async (tx) =>
      tx.outbox.add(orderEvents.shipped('large', { carrier: carrier.repeat(300) }, metadata)),
    )
    await relay.start()
    const letters = deadLetters(shop.db, { relay: relay.status().name })
    const parked = async () => (await letters.list()).filter(({ state }) => state === 'parked').length
    await expect.poll(parked, patience).toBe(3)
    said.thing(await letters.list())
    expect(said.with('the subject function threw Error at ').length).toBeGreaterThan(0)
    expect(said.with('message size exceeds maximum allowed').length).toBeGreaterThan(0)
    expect(canaries()).toEqual([])
  })
})

function shippedWith(wrong: Metadata) {
  return orderEvents.shipped('a', { carrier }, wrong)
}

/** A schema of another library. Some repeat in their messages what they were given. */
function schemaOf(validate: StandardSchemaV1.Props['validate']) {
  const types = {} as { readonly input: { email: string }; readonly output: { email: string } }
  const schema = { version: 1, vendor: 'another', validate, types } as StandardSchemaV1.Props<{
    email: string
  }>
  return { '~standard': schema }
}
