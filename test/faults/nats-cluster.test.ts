/**
 * A stream with three replicas, whose servers are killed one by one while events are in flight: it has every event once,
 * and so have its replicas. More events with `OUTBOX_TEST_EVENTS`, more kills with `OUTBOX_TEST_TROUBLES`.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type NatsCluster, startNatsCluster } from '../../dev/servers/index.js'
import { describeWithNatsServer } from '../support/private-nats.js'
import { Random, runSeed } from '../support/random.js'
import { noStreamFaults } from './find-stream-faults.js'
import { orderings, publishThrough } from './publishing/campaign.js'
import { readReplicas } from './publishing/read-replicas.js'
import { DUPLICATE_WINDOW, FORGETFUL } from './publishing/stage.js'
import type { Trouble } from './publishing/troubles.js'

const events = Number(process.env.OUTBOX_TEST_EVENTS ?? 2000)
const count = Number(process.env.OUTBOX_TEST_TROUBLES ?? 2)
/** It takes its time. */
const tried = process.env.OUTBOX_TEST_TROUBLES === undefined ? (['stream'] as const) : orderings

describeWithNatsServer('a stream with three replicas', () => {
  let cluster: NatsCluster
  beforeAll(async () => {
    cluster = await startNatsCluster()
  })
  afterAll(() => cluster?.stop())

  const troubles: readonly Trouble[] = [
    {
      // It comes back when it has forgotten whose ids it has seen.
      name: 'follower killed',
      befall: async ({ stream, random }) => {
        const leader = await cluster.leaderOf(stream)
        const node = random.pick(cluster.nodes.filter((other) => other !== leader))
        await node.kill()
        await sleep(10 * DUPLICATE_WINDOW)
        await node.restart()
        await cluster.settled(stream)
      },
    },
    {
      name: 'leader killed',
      befall: async ({ stream }) => {
        const leader = await cluster.leaderOf(stream)
        await leader.kill()
        await sleep(10 * DUPLICATE_WINDOW)
        await leader.restart()
        await cluster.settled(stream)
      },
    },
    {
      name: 'leader stepped down',
      befall: async ({ stream }) => {
        await cluster.stepDown(stream)
      },
    },
  ]

  it.each(tried)(
    `has every event once, and so have they, with ordering %s (seed ${runSeed})`,
    async (ordering) => {
      const random = new Random(runSeed)
      const stream = `REPLICATED_${ordering.toUpperCase()}`
      const { faults, figures } = await publishThrough({
        servers: cluster.servers,
        stream,
        ordering,
        seed: runSeed,
        events,
        // About three seconds for each trouble, or all would be published before the first is over.
        pauseMs: (count * 1_500_000) / events,
        troubles: random.times(count, (n) => troubles[n] ?? random.pick(troubles)),
        config: { ...FORGETFUL, num_replicas: 3 },
        allow: ['duplicate-window'],
      })
      if (process.env.OUTBOX_TEST_FIGURES) {
        const { version } = cluster.nodes[0]!
        console.log({ version, ordering, seed: runSeed, events, troubles: count, ...figures })
      }
      expect(faults).toEqual(noStreamFaults)
      const [first, ...others] = [...(await readReplicas(cluster, stream)).values()]
      for (const other of others) expect(other).toEqual(first)
    },
    3_600_000,
  )
})
