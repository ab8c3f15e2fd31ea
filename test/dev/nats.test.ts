import { existsSync } from 'node:fs'
import { jetstream, jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import { expect, onTestFinished, test } from 'vitest'
import { type NatsOptions, startNats } from '../../dev/servers/index.js'
import { processesOf } from '../../dev/servers/sweep.mjs'
import { describeWithNats } from '../support/servers.js'

describeWithNats('nats-server', () => {
  async function nats(options?: NatsOptions) {
    const server = await startNats(options)
    onTestFinished(() => server.stop())
    return server
  }

  async function client(servers: string) {
    const connection = await connect({ servers })
    onTestFinished(() => connection.close())
    return connection
  }

  test('answers, and says its version', async () => {
    const { url, version } = await nats()
    const connection = await client(url)
    expect(connection.info?.version).toBe(version)
    expect(connection.info?.jetstream).toBe(true)
  })

  test.each(['SIGKILL', 'SIGTERM'] as const)('keeps its messages over %s and a restart', async (signal) => {
    const server = await nats()
    const before = await client(server.url)
    const manager = await jetstreamManager(before)
    await manager.streams.add({ name: 'kept', subjects: ['kept.>'] })
    await jetstream(before).publish('kept.one', 'hello')
    await before.close()

    await server.kill(signal)
    await expect(connect({ servers: server.url, reconnect: false })).rejects.toThrow()
    await server.restart()

    const after = await jetstreamManager(await client(server.url))
    const { state } = await after.streams.info('kept')
    expect(state.messages).toBe(1)
  })

  test('takes a configuration and flags', async () => {
    const { url } = await nats({ config: 'max_payload: 1234', flags: ['--name', 'tested'] })
    const { info } = await client(url)
    expect(info?.max_payload).toBe(1234)
    expect(info?.server_name).toBe('tested')
  })

  test('takes another configuration while it runs, with files, and says what is wrong with one', async () => {
    const server = await nats({
      files: { 'limits.conf': 'max_payload: 1234' },
      config: 'include limits.conf',
    })
    expect((await client(server.url)).info?.max_payload).toBe(1234)
    await server.reload('max_payload: 4321')
    expect((await client(server.url)).info?.max_payload).toBe(4321)
    await expect(server.reload('nonsense {')).rejects.toThrow('Parse error on line')
    expect((await client(server.url)).info?.max_payload).toBe(4321)
  })

  test('has no JetStream when told so', async () => {
    const { info } = await client((await nats({ jetStream: false })).url)
    expect(info?.jetstream).toBeFalsy()
  })

  test('leaves nothing after stop, which may be called again', async () => {
    const { directory, stop } = await nats()
    await Promise.all([stop(), stop()])
    await stop()
    expect(existsSync(directory)).toBe(false)
    expect(processesOf(directory)).toEqual([])
  })

  test('a wrong configuration is told in the words of the server', async () => {
    await expect(startNats({ config: 'nonsense {' })).rejects.toThrow('Parse error on line')
  })
})
