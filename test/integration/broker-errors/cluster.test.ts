/** A cluster that has another leader, or none. */
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it } from 'vitest'
import type { NatsCluster } from '../../../dev/servers/index.js'
import { openBrokerWorld, STREAM } from '../../support/broker-world.js'
import { itReactsTo } from '../../support/causes.js'
import { describeWithNatsServer } from '../../support/private-nats.js'

/** Another leader in good order, twice, and then by force. */
async function changeLeader(cluster: NatsCluster): Promise<void> {
  for (let times = 2; times > 0; times--) await cluster.stepDown(STREAM)
  const leader = await cluster.leaderOf(STREAM)
  await leader.kill()
  await cluster.leaderOf(STREAM)
  await leader.restart()
}

describeWithNatsServer('a relay on a cluster', () => {
  itReactsTo([
    {
      cause: 'two of three servers are gone',
      given: { cluster: true },
      provoke: async ({ cluster }) => {
        const gone = cluster!.nodes.slice(1)
        await Promise.all(gone.map((node) => node.kill()))
        return async () => {
          await Promise.all(gone.map((node) => node.restart()))
          await cluster!.settled(STREAM)
        }
      },
      class: 'unavailable',
      relay: 'waits',
      operator:
        /no acknowledgement within 360 ms|NATS does not answer|no stream listens: SHOP|cannot look up stream SHOP/,
    },
  ])

  it('has every event once, in order, when the leader changes meanwhile', async () => {
    const world = await openBrokerWorld({ cluster: true })
    try {
      await world.relay.start()
      let changed = false
      const writing = (async () => {
        while (!changed) {
          await world.record()
          await sleep(20) // three aggregates, one event of each in flight: the relay is to keep up
        }
      })()
      const changing = changeLeader(world.cluster!).finally(() => {
        changed = true
      })
      await Promise.all([writing, changing])
      await world.relay.drain({ signal: AbortSignal.timeout(30_000) })
      await world.cluster!.settled(STREAM)
      await expect.poll(world.stored).toEqual(await world.recorded())
      for (const line of world.told) expect(line).toMatch(/^ERR_OUTBOX_UNAVAILABLE/)
      if (process.env.OUTBOX_TEST_FIGURES) console.log([world.nats.version, ...world.told].join('\n  '))
    } finally {
      await world.close()
    }
  })
})
