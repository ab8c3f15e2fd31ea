/** A log that gets into another database cluster: each relay goes on exactly where it was. */
import {
  createRelay,
  memoryPublisher,
  type Publisher,
  type RecordedEvent,
  rebaseOutbox,
  replay,
} from 'drizzle-outbox'
import { afterAll, afterEach, beforeAll, describe, expect, it, type TestContext } from 'vitest'
import { type PostgresServer, startPostgres } from '../../dev/servers/index.js'
import type { ShopDb } from '../support/drivers.js'
import { faultyPublisher, refusingPublisher, unavailableOutcome } from '../support/publishers.js'
import { store } from '../support/table-sets.js'
import { age, Home, moves } from './moving.js'

const homes: Home[] = []
afterEach(async () => {
  for (const home of homes.splice(0)) await home.leave()
})

async function homeIn(cluster: PostgresServer): Promise<Home> {
  const home = await Home.in(cluster)
  homes.push(home)
  return home
}

function relayOf(db: ShopDb, name: string, publisher: Publisher) {
  return createRelay({
    db,
    name,
    publisher,
    batchSize: 3,
    minPollMs: 5,
    maxPollMs: 20,
    minBackoffMs: 5,
    maxBackoffMs: 20,
    maxAttempts: 1,
    retentionMs: false,
  })
}

/** What a relay had still to publish, from its first event to its last. */
async function rest(db: ShopDb, name: string): Promise<string[]> {
  const told: string[] = []
  const publisher: Publisher = {
    ...memoryPublisher(),
    publish: async (events) => {
      told.push(...events.map(describeEvent))
      return { unacknowledged: [], duplicates: 0, refused: [] }
    },
  }
  await relayOf(db, name, publisher).drain()
  return told
}

const describeEvent = ({ position, aggregateId, aggregateVersion, id, redelivery }: RecordedEvent) =>
  [position, aggregateId, aggregateVersion, id, redelivery].join(' ')

/** Publishes some pages, until its broker goes: leaves a window open. */
async function interrupt(db: ShopDb, name: string, pages: number): Promise<void> {
  let left = pages
  const { publisher } = faultyPublisher((events) => (left-- > 0 ? undefined : unavailableOutcome(events)))
  const relay = relayOf(db, name, publisher)
  await relay.start()
  await expect.poll(() => relay.status().state, { timeout: 20_000 }).toBe('paused')
  await relay.stop({ timeoutMs: 100 })
}

const RELAYS = ['behind', 'ahead', 'interrupted', 'beginning', 'refused', 'replaying', 'new'] as const

/** Relays at different places of a log, and a transaction that takes its positions early and commits late. */
async function makeHistory({ db, open }: Home): Promise<void> {
  const many = (times: number) => Array.from({ length: times }, (_, i) => 'abcde'[i % 5] as string)
  await store(db, ...many(7))
  for (const name of ['behind', 'interrupted', 'replaying'] as const) await rest(db, name)
  const late = await open()
  await late.query('begin')
  await late.query(`
    insert into outbox_events (id, aggregate_type, aggregate_id, aggregate_version, type, data)
    values (gen_random_uuid(), 'order', 'late', 1, 'order.shipped', '{"carrier":"dhl"}')`)
  await store(db, ...many(11))
  await rest(db, 'ahead')
  await relayOf(db, 'refused', refusingPublisher(({ aggregateId }) => aggregateId === 'c').publisher).drain()
  await late.query('commit')
  await store(db, ...many(4))
  await interrupt(db, 'interrupted', 2)
  await interrupt(db, 'beginning', 3)
  await replay(db, { relay: 'replaying', from: { position: 4 } })
  await interrupt(db, 'replaying', 2)
  await store(db, ...many(3))
}

const directions = [
  ['lower', 1, 0],
  ['higher', 0, 1],
] as const

describe.each(moves)('a log that is moved by $name', (move) => {
  let clusters: readonly PostgresServer[] = []
  beforeAll(async () => {
    const starting = [1, 2].map(() => startPostgres({ programs: move.programs }))
    clusters = await Promise.all(starting).catch((error) => {
      if (move.programs.length === 0) throw error
      return []
    })
    if (clusters[1]) await age(clusters[1], 20_000)
  })
  afterAll(() => Promise.all(clusters.map((cluster) => cluster.stop())))

  describe.each(directions)('to a cluster with %s transaction ids', (_, origin, destination) => {
    async function moved({ skip }: TestContext): Promise<readonly [Home, Home]> {
      skip(clusters.length === 0, `there is no ${move.programs.join(', no ')}`)
      const [from, to] = [await homeIn(clusters[origin]!), await homeIn(clusters[destination]!)]
      await move.begin(from, to)
      await makeHistory(from)
      await move.end(from, to, clusters[origin]!)
      return [from, to]
    }

    it('is to each relay what it was', async (test) => {
      const [from, to] = await moved(test)
      const goOn = async ({ db }: Home) => store(db, 'a', 'late', 'f')
      await goOn(from)
      if (move.bringsSequence) await goOn(to)
      expect(await rebaseOutbox(to.db)).toBe(true)
      expect(await rebaseOutbox(to.db)).toBe(false)
      if (!move.bringsSequence) await goOn(to)
      const ids = ({ db }: Home) => Promise.all(RELAYS.map((name) => rest(db, name)))
      const [there, here] = [await ids(from), await ids(to)]
      // Events that were recorded in each have other ids. A window that was open has become longer.
      const known = (told: string[][]) => told.map((lines) => lines.map(withoutId).sort())
      expect(known(here)).toEqual(known(there))
      for (const lines of here) expect(disordered(lines)).toEqual([])
      expect(here.flat().filter((line) => !there.flat().includes(line))).toHaveLength(3 * RELAYS.length)
      expect(Math.min(...here.map((lines) => lines.length))).toBeGreaterThan(3)
    })

    it('is carried over by the first relay that starts', async (test) => {
      const [from, to] = await moved(test)
      const expected = await rest(from.db, 'interrupted')
      const told: string[] = []
      const memory = memoryPublisher()
      const relay = relayOf(to.db, 'interrupted', memory)
      relay.on('rebased', ({ type }) => told.push(type))
      await relay.drain()
      await relay.drain()
      expect(memory.recorded.map(describeEvent)).toEqual(expected)
      expect(told).toEqual(['rebased'])
    })
  })
})

/** Those whose aggregate has told of a later version before. Replayed ones begin anew. */
function disordered(lines: readonly string[]): string[] {
  const versions = new Map<string, number>()
  return lines.filter((line) => {
    const [, aggregate, version, , redelivery] = line.split(' ')
    const key = `${aggregate} ${redelivery}`
    const before = versions.get(key) ?? 0
    versions.set(key, Number(version))
    return Number(version) < before
  })
}

const withoutId = (line: string) => line.replace(/[\da-f-]{36}/, '')
