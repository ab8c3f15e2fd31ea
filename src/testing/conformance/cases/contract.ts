import assert from 'node:assert/strict'
import type { Case } from '../conformance-case.js'

export const contractCases: readonly Case[] = [
  {
    name: 'says its name, its timeout, how many pages may be open, and whether it can recover',
    run: async (rig) => {
      const { publisher } = rig.publisher()
      const { name, publishTimeoutMs, maxOpenPages = 1 } = publisher
      assert.ok(typeof name === 'string' && name !== '', 'it has no name')
      assert.ok(
        Number.isFinite(publishTimeoutMs) && publishTimeoutMs >= 0,
        `publishTimeoutMs: ${publishTimeoutMs}`,
      )
      assert.ok(Number.isInteger(maxOpenPages) && maxOpenPages >= 1, `maxOpenPages: ${maxOpenPages}`)
      const recovers = typeof publisher.recover === 'function'
      assert.equal(
        recovers,
        rig.features.recovers,
        `features.recovers is not what the publisher says: ${recovers}`,
      )
    },
  },
  {
    name: 'gives its status before it is prepared, while it publishes, and after it is closed',
    run: async (rig) => {
      const publisher = rig.publisher()
      const check = () =>
        assert.equal(typeof (publisher.publisher.status?.() ?? {}), 'object', 'status is no object')
      check()
      await publisher.start()
      const publishing = publisher.deliver(rig.log.events(100, 10))
      check()
      await publishing
      await publisher.close()
      check()
    },
  },
  {
    name: 'has nothing to do for a page without events',
    run: async (rig) => {
      const publisher = await rig.start()
      const { unacknowledged, duplicates } = await publisher.publish([])
      assert.deepEqual({ unacknowledged, duplicates }, { unacknowledged: [], duplicates: 0 })
      await rig.expectStored([])
    },
  },
]
