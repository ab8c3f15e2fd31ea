/**
 * No event without its order, no order without its event: transactions that lose their connection at every moment.
 * `OUTBOX_TEST_ROUNDS` asks for all scenarios, so many times; otherwise it is a choice of them, a few of those in which
 * the database crashes. `OUTBOX_TEST_SEED` gives the choice of an earlier run.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { drivers, openDatabase } from '../support/outbox-databases.js'
import { Random, runSeed } from '../support/random.js'
import { phantomCampaign } from './phantoms/campaign.js'
import { allScenarios, oneOfEach } from './phantoms/scenarios.js'
import { createTables } from './phantoms/shop.js'
import { openWithoutFence } from './phantoms/without-fence.js'
import { World } from './phantoms/world.js'

const rounds = Number(process.env.OUTBOX_TEST_ROUNDS ?? 0)
const random = new Random(runSeed)

function chooseScenarios() {
  const [lost, crashes] = [allScenarios(['terminate', 'cut']), allScenarios(['crash'])]
  if (rounds > 0) return Array.from({ length: rounds }, () => [...lost, ...crashes]).flat()
  return [...oneOfEach(random, lost), ...random.times(8, () => random.pick(crashes))]
}

let world: World
beforeAll(async () => {
  world = await World.start()
  const open = openDatabase(world.directUrl)
  await createTables(open)
  await open.close()
})
afterAll(() => world?.stop())

describe.each(drivers)('a transaction over %s that loses its connection', (driver) => {
  it(`is there as a whole, with its events, or not at all (seed ${runSeed})`, async () => {
    const reports = await phantomCampaign(world, { driver, scenarios: chooseScenarios() })
    expect(reports.filter(({ faults }) => faults.length > 0)).toEqual([])
    // Or the blows have shown nothing.
    const struck = reports.filter((report) => report.struck)
    expect(struck.length).toBeGreaterThan(reports.length * 0.9)
    for (const ending of ['nothing', 'all']) expect(struck.map(({ whole }) => whole)).toContain(ending)
  }, 3_600_000)
})

const IN_PART = /in part: no order.*placed/

it('an outbox without a fence is found out', async () => {
  const scenarios = allScenarios(['terminate']).filter(
    ({ moment, max, patienceMs }) => moment.kind === 'idle' && max === 1 && patienceMs > 0,
  )
  const found: string[] = []
  // One is enough, such as the last: a driver that hangs, as it sometimes does then, is waited for half a minute.
  for (const scenario of scenarios.toReversed()) {
    if (found.some((fault) => IN_PART.test(fault))) break
    const options = { driver: 'postgres.js', scenarios: [scenario], openWith: openWithoutFence } as const
    for (const { faults } of await phantomCampaign(world, options)) found.push(...faults)
  }
  expect(found).toContainEqual(expect.stringMatching(IN_PART))
}, 600_000)
