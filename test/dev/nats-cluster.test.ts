import { jetstream, jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type NatsCluster, startNatsCluster } from '../../dev/servers/index.js'
import { processesOf } from '../../dev/servers/sweep.mjs'
import { describeWithNatsServer } from '../support/private-nats.js'

describeWithNatsServer('a cluster of nats-server', () => {
  let cluster: NatsCluster
  beforeAll(async () => {
    cluster = await startNatsCluster()
  })
  afterAll(() => cluster?.stop())

  test('has another leader after a step-down, and after a kill, and keeps what it acknowledged', async () => {
    const connection = await connect({ servers: cluster.servers, maxReconnectAttempts: -1 })
    const manager = await jetstreamManager(connection)
    await manager.streams.add({ name: 'KEPT', subjects: ['kept'], num_replicas: 3 })
    await cluster.settled('KEPT')
    expect(await jetstream(connection).publish('kept', 'one')).toMatchObject({ stream: 'KEPT', seq: 1 })

    const first = await cluster.leaderOf('KEPT')
    expect(await cluster.stepDown('KEPT')).toMatchObject({ name: expect.stringMatching(/^n[123]$/) })

    const second = await cluster.leaderOf('KEPT')
    const { pid } = second
    await second.kill()
    const third = await cluster.leaderOf('KEPT')
    expect(third.name).not.toBe(second.name)
    await second.restart()
    expect(second.pid).not.toBe(pid)
    await cluster.settled('KEPT')
    expect(first).toBe(cluster.nodes.find(({ name }) => name === first.name))

    await connection.close()
    const after = await connect({ servers: second.url })
    const { state } = await (await jetstreamManager(after)).streams.info('KEPT')
    expect(state.messages).toBe(1)
    await after.close()
  })

  test('leaves nothing after stop, which may be called again', async () => {
    await Promise.all([cluster.stop(), cluster.stop()])
    for (const { directory } of cluster.nodes) expect(processesOf(directory)).toEqual([])
  })
})
