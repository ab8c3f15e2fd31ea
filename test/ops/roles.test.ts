/** The roles of docs/operations.md can do what they are for, and nothing else. */
import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { sql } from 'drizzle-orm'
import {
  cancelReplay,
  createRelay,
  deadLetters,
  forgetRelay,
  memoryPublisher,
  OutboxError,
  pruneOutbox,
  readOutboxStatus,
  replay,
  sqlState,
} from 'drizzle-outbox'
import { recordedEvents } from 'drizzle-outbox/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { checkTables } from '../../src/cli/doctor/table-checks.js'
import { readOutcome } from '../../src/event-log/commit-outcome.js'
import { claimRelay } from '../../src/event-log/relay-row.js'
import { openShop, orderEvents, type Shop, type ShopDb } from '../support/drivers.js'
import { overriding } from '../support/publishers.js'

const page = await readFile(new URL('../../docs/operations.md', import.meta.url), 'utf8')
const [, documented = ''] = /\n## Roles\n[^#]*?```sql\n([\s\S]*?)```/.exec(page) ?? []
// Roles are those of all databases of a server.
const suffix = randomUUID().slice(0, 8)
const statements = documented.replaceAll(/\boutbox_(writer|relay|operator)\b/g, `$&_${suffix}`)

type Role = 'writer' | 'relay' | 'operator'
const roleOf = (role: Role) => `outbox_${role}_${suffix}`

let shop: Shop
const databases = new Map<Role, ShopDb>()
beforeAll(async () => {
  shop = await openShop('node-postgres')
  await shop.db.execute(sql.raw(statements))
  for (const role of ['writer', 'relay', 'operator'] as const)
    databases.set(role, shop.open({}, { connections: 4, settings: { role: roleOf(role) } }))
})
afterAll(async () => {
  const roles = [...databases.keys()].map(roleOf).join()
  await shop.db.execute(sql.raw(`drop owned by ${roles}; drop role ${roles}`))
  await shop.close()
})

/** What each role is for. */
const work: Record<Role, (db: ShopDb) => Promise<void>> = {
  writer: async (db) => {
    const [first, second] = [randomUUID(), randomUUID()]
    await db.transaction(async (tx) => tx.outbox.add(orderEvents.placed(first, { total: 1 })))
    await db.transaction(async (tx) => {
      tx.outbox.add(
        orderEvents.shipped(first, { carrier: 'dhl' }),
        orderEvents.shipped(first, { carrier: 'ups' }),
      )
    })
    await db.transaction(async (tx) => {
      tx.outbox.add(orderEvents.shipped(first, { carrier: 'dhl' }), orderEvents.placed(second, { total: 1 }))
      expect(await tx.outbox.versionOf(orderEvents, first)).toBe(3)
    })
    // What resolveCommit asks.
    const trace = {
      transactionId: '3',
      eventId: first,
      aggregateType: 'order',
      aggregateId: first,
      aggregateVersion: 1,
    }
    await readOutcome(db['~drizzle-outbox'].log, trace)
  },

  relay: async (db) => {
    const [name, refused, published] = [`relay-${randomUUID()}`, randomUUID(), randomUUID()]
    for (const id of [refused, published])
      await shop.db.transaction(async (tx) => tx.outbox.add(orderEvents.placed(id, { total: 1 })))
    const publisher = refusingOnce(refused)
    const relay = createRelay({ db, publisher, name, maxAttempts: 1, retentionMs: 0 })
    relay.on('checkpoint', () => void deadLetters(shop.db, { relay: name }).retry({ all: true }))
    const done = new Promise<void>((resolve, reject) => {
      const awaited = new Set(['released', 'pruned'] as const)
      for (const type of awaited)
        relay.on(type, () => {
          awaited.delete(type)
          if (awaited.size === 0) resolve()
        })
      relay.on('pruneFailed', ({ error }) => reject(error))
      relay.on('paused', ({ error }) => reject(error))
    })
    try {
      await Promise.all([relay.start(), done])
    } finally {
      await relay.stop()
      await forgetRelay(shop.db, name)
    }
  },

  operator: async (db) => {
    await shop.db.transaction(async (tx) => tx.outbox.add(orderEvents.placed(randomUUID(), { total: 1 })))
    await createRelay({ db: shop.db, publisher: memoryPublisher(), retentionMs: false }).drain()
    await readOutboxStatus(db)
    const letters = deadLetters(db)
    await letters.list()
    await letters.retry({ all: true })
    await letters.discard({ all: true })
    const [event] = await recordedEvents(shop.db)
    const from = [{ eventId: event!.id }, { time: event!.occurredAt }, { position: event!.position }]
    for (const start of from) await replay(db, { from: start, dryRun: true })
    expect((await replay(db, { from: { position: 1 } })).events).toBeGreaterThan(0)
    expect(await cancelReplay(db)).toBe(true)
    await forgetRelay(shop.db, 'default')
  },
}

/** Refuses the event of an aggregate, the first time. */
function refusingOnce(aggregateId: string) {
  const memory = memoryPublisher()
  let refuses = true
  return overriding(memory, {
    publish: async (events, options) => {
      const refused = events.filter((event) => refuses && event.aggregateId === aggregateId)
      refuses &&= refused.length === 0
      const others = events.filter((event) => !refused.includes(event))
      const { duplicates } = await memory.publish(others, options)
      const errors = refused.map(
        ({ id }) => new OutboxError('ERR_OUTBOX_EVENT_REFUSED', 'no', { eventId: id }),
      )
      return { duplicates, unacknowledged: refused, refused: errors }
    },
  })
}

/** The grants of a role, each of one privilege, and of one column if of columns. */
function grantsOf(role: Role): string[] {
  const grants = statements.matchAll(/^grant (?<privileges>[^;]+?)\s+on (?<table>\w+) to (?<role>\w+);$/gm)
  return Array.from(grants, ({ groups }) => groups as Record<'privileges' | 'table' | 'role', string>)
    .filter((grant) => grant.role === roleOf(role))
    .flatMap(({ privileges, table }) =>
      Array.from(privileges.matchAll(/(\w+)(?: \(([^)]+)\))?(?:,\s*|$)/g), ([, privilege, columns]) =>
        columns === undefined
          ? [`${privilege} on ${table}`]
          : columns.split(/,\s*/).map((column) => `${privilege} (${column}) on ${table}`),
      ).flat(),
    )
}

const PERMISSION_DENIED = '42501'
const stateOf = (running: Promise<unknown>) => running.then(() => 'done', sqlState)

describe.each<[Role, number]>([
  ['writer', 14],
  ['relay', 9],
  ['operator', 18],
])('the %s', (role, grants) => {
  it('can do its work', () => work[role](databases.get(role)!))

  it('needs every one of its grants', async () => {
    expect(grantsOf(role)).toHaveLength(grants)
    const spare: string[] = []
    for (const grant of grantsOf(role)) {
      await shop.db.execute(sql.raw(`revoke ${grant} from ${roleOf(role)}`))
      const state = await stateOf(work[role](databases.get(role)!))
      await shop.db.execute(sql.raw(`grant ${grant} to ${roleOf(role)}`))
      if (state !== PERMISSION_DENIED) spare.push(`${grant}: ${state}`)
    }
    expect(spare).toEqual([])
  })
})

it('the doctor agrees', async () => {
  const finding = async (role: Role) => {
    const findings = await checkTables(databases.get(role)!['~drizzle-outbox'].log)
    return findings.find(({ check }) => check === 'privileges')
  }
  expect(await finding('relay')).toMatchObject({ level: 'ok' })
  for (const role of ['writer', 'operator'] as const)
    expect(await finding(role)).toMatchObject({ level: 'error' })
  await shop.db.execute(sql.raw(`grant ${roleOf('writer')} to ${roleOf('relay')}`))
  const message = expect.stringContaining('may record and publish events')
  expect(await finding('relay')).toMatchObject({ level: 'ok', message })
  await shop.db.execute(sql.raw(`revoke ${roleOf('writer')} from ${roleOf('relay')}`))
})

describe('is refused:', () => {
  const deeds: Record<string, (db: ShopDb) => PromiseLike<unknown>> = {
    'to read events': (db) => recordedEvents(db),
    'to change an event': (db) => db.execute(sql`update outbox_events set data = '{}'`),
    'to delete an event': (db) => db.execute(sql`delete from outbox_events`),
    'to choose a position': (db) =>
      db.execute(sql`
        insert into outbox_events (position, id, aggregate_type, aggregate_id, aggregate_version, type, data)
        overriding system value values (1, gen_random_uuid(), 'order', '1', 1, 'order.placed', '{}')`),
    'to choose a transaction': (db) =>
      db.execute(sql`
        insert into outbox_events (xid, id, aggregate_type, aggregate_id, aggregate_version, type, data)
        values ('3', gen_random_uuid(), 'order', '1', 1, 'order.placed', '{}')`),
    'to insert an event': (db) =>
      db.execute(sql`
        insert into outbox_events (id, aggregate_type, aggregate_id, aggregate_version, type, data)
        values (gen_random_uuid(), 'order', '1', 1, 'order.placed', '{}')`),
    'to raise a head': (db) => db.execute(sql`update outbox_aggregates set version = 1`),
    'to delete a head': (db) => db.execute(sql`delete from outbox_aggregates`),
    'to lead': (db) => claimRelay(db['~drizzle-outbox'].log, 'mine', 'me', 1000),
    "to move a relay's place": (db) => db.execute(sql`update outbox_relays set snapshot = '1:1:'`),
    'to forget a relay': (db) => forgetRelay(db, 'default'),
    'to delete old events': (db) => pruneOutbox(db),
    'to read dead letters': (db) => deadLetters(db).list(),
    'to rewrite a dead letter': (db) => db.execute(sql`update outbox_dead_letters set error = null`),
    'to drop a table': (db) => db.execute(sql`drop table outbox_dead_letters`),
    'to empty the log': (db) => db.execute(sql`truncate outbox_events`),
    'to add a table': (db) => db.execute(sql`create table mine (id int)`),
  }
  /** What is not refused. */
  const allowed: Record<Role, string[]> = {
    writer: ['to insert an event', 'to raise a head'],
    relay: [
      'to read events',
      'to delete an event',
      'to lead',
      "to move a relay's place",
      'to delete old events',
      'to read dead letters',
      'to rewrite a dead letter',
    ],
    operator: ['to read dead letters'],
  }
  const cases = (['writer', 'relay', 'operator'] as const).flatMap((role) =>
    Object.keys(deeds)
      .filter((deed) => !allowed[role].includes(deed))
      .map((deed) => [role, deed] as const),
  )

  it.each(cases)('the %s, %s', async (role, deed) => {
    expect(await stateOf(Promise.resolve(deeds[deed]!(databases.get(role)!)))).toBe(PERMISSION_DENIED)
  })
})
