/**
 * A slice of the fault campaign: each fault at least once, all at the same time, and every event counted. `npm run faults`
 * goes on for as long as it is told to.
 */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { describeWithNatsServer } from '../support/private-nats.js'
import { runSeed } from '../support/random.js'
import { runCampaign } from './campaign/campaign.js'
import { noFindings } from './campaign/findings.js'
import { renderReport } from './campaign/render.js'
import { type Servers, startServersToKill } from './campaign/site.js'
import { usualFaults } from './campaign/strike.js'

const STRIKES_MS = 100_000
/** Events per second: other test files need the machine, too. */
const RATE = 600
/** Beside other test files, on a machine that is slow, everything takes longer: that is no failure. */
const PATIENCE_MS = 180_000

describeWithNatsServer(`every event (seed ${runSeed})`, () => {
  let servers: Servers & AsyncDisposable
  beforeAll(async () => {
    servers = await startServersToKill()
  })
  afterAll(() => servers[Symbol.asyncDispose]())

  it('is published once, in order, whatever befalls relays, writers and servers', async () => {
    const report = await runCampaign(servers, {
      strikesMs: STRIKES_MS,
      seed: runSeed,
      rate: RATE,
      all: true,
      patienceMs: PATIENCE_MS,
    })
    console.log(renderReport(report))
    expect(report.examples).toEqual([])
    expect(report.findings).toEqual(noFindings)
    expect([...Object.keys(report.faults), ...report.impossible].sort()).toEqual([...usualFaults].sort())
    // Or nothing was in flight when it happened.
    expect(report.deduplicated).toBeGreaterThan(0)
  }, 1_800_000)
})
