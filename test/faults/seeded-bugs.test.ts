/** The campaign, tried on a product with a bug: it must find each one of them. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { describeWithNatsServer } from '../support/private-nats.js'
import { runSeed } from '../support/random.js'
import { bugs } from './campaign/bugs.js'
import { runCampaign } from './campaign/campaign.js'
import { type Servers, startServersToKill } from './campaign/site.js'

/** Each round is longer than the one before: on a machine that is busy, little happens in seconds. */
const ROUNDS = 5
const FIRST_ROUND_MS = 2500

describeWithNatsServer(`a campaign (seed ${runSeed})`, () => {
  let servers: Servers & AsyncDisposable
  beforeAll(async () => {
    servers = await startServersToKill()
  })
  afterAll(() => servers[Symbol.asyncDispose]())

  it.for(bugs)('finds that it $name', { timeout: 300_000 }, async (bug) => {
    for (let round = 1; round <= ROUNDS; round++) {
      const { findings, examples, faults, takeovers, pauses } = await runCampaign(servers, {
        patienceMs: 4000,
        ...bug.campaign,
        strikesMs: FIRST_ROUND_MS * round,
        seed: runSeed + round,
        bug,
      })
      if (process.env.OUTBOX_TEST_FIGURES)
        console.log(JSON.stringify({ bug: bug.name, round, findings, faults, examples, pauses, takeovers }))
      if (findings[bug.found] > 0) return
    }
    expect.fail(`${ROUNDS} campaigns, and it looks right`)
  })
})
