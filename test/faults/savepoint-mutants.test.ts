/** The random programs of savepoints, tried on outboxes that are known to be wrong: each must be found out. */
import { expect, it } from 'vitest'
import { runSeed } from '../support/random.js'
import { savepointCampaign } from './savepoints/campaign.js'
import { lexicalScopes, savepointsIgnored, sharedJournal } from './savepoints/mutants.js'

it.each([
  { mutant: 'lexical scopes', mutate: lexicalScopes },
  { mutant: 'rolled-back savepoints that keep their events', mutate: savepointsIgnored },
  { mutant: 'one journal for all transactions', mutate: sharedJournal },
])(`$mutant: found out (seed ${runSeed})`, async ({ mutate }) => {
  const found = { phantom: 0, hooks: 0 }
  // A few hundred programs may not have what it takes.
  for (let seed = runSeed; seed < runSeed + 10 && (!found.phantom || !found.hooks); seed++) {
    const { faults } = await savepointCampaign({ driver: 'node-postgres', seed, programs: 200, mutate })
    found.phantom += faults.phantom.length
    found.hooks += faults.hooks.length
  }
  expect(found).toEqual({ phantom: expect.toSatisfy(Boolean), hooks: expect.toSatisfy(Boolean) })
})
