/** `drizzle-outbox relay` as a process: what it publishes, and how it ends. */
import { connect } from '@nats-io/transport-node'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { describeWithNats, freshDatabase } from '../support/servers.js'
import { readStream } from '../support/stream.js'
import { type CliProject, createCliProject } from './cli-project.js'
import { openTestLog } from './test-log.js'

let project: CliProject
const closing: (() => Promise<unknown>)[] = []
beforeAll(async () => {
  project = await createCliProject()
}, 120_000)
afterAll(async () => {
  await project?.remove()
  for (const close of closing.reverse()) await close()
})

/** A log with one event of each of so many orders. */
async function openLog(orders: number) {
  const log = await openTestLog()
  closing.push(log.close)
  await log.record(...Array.from({ length: orders }, (_, i) => String(i + 1)))
  return log
}

describe('relay --once', () => {
  it('publishes what is there, says how much, and ends', async () => {
    const { env, relays } = await openLog(3)
    const { code, stdout, stderr } = await project.run(['relay', '--once'], env)
    expect(stdout, stderr).toMatch(/^published 3 events in .+\n$/)
    expect(code).toBe(0)
    expect(await relays()).toMatchObject([{ owner: null, next: null }])
    expect(await project.json(['relay', '--once'], env)).toMatchObject([
      { relay: 'configured', published: 0 },
    ])
  })

  it('fails when it is not done in time, and when it is stopped before', async () => {
    const { env } = await openLog(1)
    const slow = { ...env, TEST_PUBLISHER: 'stuck', OUTBOX_STOP_TIMEOUT_MS: '10' }
    const late = await project.run(['relay', '--once', '--timeout', '1s'], slow)
    expect(late).toMatchObject({ code: 1, stdout: '' })
    expect(late.stderr).toContain('not everything was published within 1.0 s')

    const stopped = project.start(['relay', '--once'], slow)
    await stopped.wrote('stderr', /in hand: 1/)
    stopped.kill('SIGTERM')
    const { code, stdout, stderr } = await stopped.ended
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toContain('stopped by SIGTERM before it was done')
  })
})

describe('relay', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)('finishes what is in flight after one %s', async (signal) => {
    const { env, relays } = await openLog(2)
    const worker = project.start(['relay'], { ...env, TEST_PUBLISHER: 'slow' })
    await worker.wrote('stderr', /in hand: 2/)
    worker.kill(signal)
    worker.kill(signal) // under npx, Ctrl-C arrives twice
    const { code, stdout, stderr } = await worker.ended
    expect(code, stderr).toBe(0)
    expect(stdout).toBe('')
    expect(stderr).toMatch(/published 2 events\n.*relay configured stopped\n$/)
    expect(await relays()).toMatchObject([{ owner: null, next: null }])
  })

  it.each([
    ['SIGTERM', 143],
    ['SIGINT', 130],
  ] as const)('ends at once after a second %s', async (signal, expected) => {
    const { env, relays } = await openLog(1)
    const worker = project.start(['relay'], { ...env, TEST_PUBLISHER: 'stuck' })
    await worker.wrote('stderr', /in hand: 1/)
    worker.kill(signal)
    await worker.wrote('stderr', /once more to end at once/)
    worker.kill(signal)
    expect((await worker.ended).code).toBe(expected)
    expect(await relays()).not.toMatchObject([{ next: null }])
  })

  it('fails at once where the tables are missing, so that a supervisor sees it', async () => {
    const { url, drop } = await freshDatabase()
    closing.push(drop)
    const { code, stderr } = await project.run(['relay'], { DATABASE_URL: url })
    expect(code).toBe(1)
    expect(stderr).toContain('ERR_OUTBOX_TABLES_MISSING')
  })

  it('writes its logs as JSON for machines', async () => {
    const { env } = await openLog(1)
    const worker = project.start(['relay', '--json', '--name', 'audit'], env)
    await worker.wrote('stderr', /"leads, epoch 1"|leads, epoch 1/)
    worker.kill('SIGTERM')
    const { code, stdout, stderr } = await worker.ended
    expect({ code, stdout }).toEqual({ code: 0, stdout: '' })
    const lines = stderr
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    for (const entry of lines)
      expect(entry).toMatchObject({ time: expect.any(String), level: expect.any(String), relay: 'audit' })
  })
})

describe('health and metrics', () => {
  it('are answered where it is told to, and are gone with it', async () => {
    const { env } = await openLog(1)
    const worker = project.start(['relay', '--metrics-port', '0', '--json'], env)
    await worker.wrote('stderr', /"url":"[^"]+"/)
    await worker.wrote('stderr', /leads/)
    const url = /"url":"([^"]+)"/.exec(worker.stderr)?.[1]
    const get = async (path: string) => (await fetch(`${url}${path}`)).text()
    expect(JSON.parse(await get('/healthz'))).toEqual({ alive: true })
    await expect.poll(async () => (await fetch(`${url}/readyz`)).status, { timeout: 20_000 }).toBe(200)
    await expect
      .poll(() => get('/metrics'), { timeout: 20_000 })
      .toContain('outbox_relay_published_total{relay="configured",type="order.placed"')
    worker.kill('SIGTERM')
    expect((await worker.ended).code).toBe(0)
    await expect(fetch(`${url}/healthz`)).rejects.toThrow()
  })

  it('are refused, with the reason, where they cannot be', async () => {
    const { env } = await openLog(0)
    const { code, stderr } = await project.run(
      ['relay', '--metrics-port', '1', '--metrics-host', '192.0.2.1'],
      env,
    )
    expect(code).toBe(1)
    expect(stderr).toContain('cannot answer at 192.0.2.1:1: ')
  })
})

describeWithNats('relay to JetStream', (natsUrl) => {
  it('publishes as events are committed, and a standby takes over when it is stopped', async () => {
    const { env, record } = await openLog(1)
    const stream = `CLI-${process.pid}`
    const nats = { ...env, TEST_PUBLISHER: 'jetstream', NATS_URL: natsUrl, TEST_STREAM: stream }
    const connection = await connect({ servers: natsUrl })
    closing.push(() => connection.close())
    const ids = async () => (await readStream(connection, stream)).map(({ ce }) => ce.subject)

    const first = project.start(['relay'], nats)
    await first.wrote('stderr', /leads, epoch 1/)
    const second = project.start(['relay'], nats)
    await second.wrote('stderr', /stands by/)
    await record('2')
    await expect.poll(ids, { timeout: 20_000 }).toEqual(['1', '2'])
    first.kill('SIGTERM')
    expect((await first.ended).code).toBe(0)
    await second.wrote('stderr', /leads, epoch 2/)
    await record('3')
    await expect.poll(ids, { timeout: 20_000 }).toEqual(['1', '2', '3'])
    second.kill('SIGTERM')
    expect((await second.ended).code).toBe(0)
  })
})
