/** `dev/demo/main.ts` as a process of its own, on servers of its own. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { describe, expect, inject, onTestFinished, test } from 'vitest'
import { expectNothingLeftOf } from '../support/leftovers.js'
import { describeWithNats } from '../support/servers.js'

const main = fileURLToPath(new URL('../../dev/demo/main.ts', import.meta.url))

function startDemo(args: readonly string[], environment: NodeJS.ProcessEnv = {}) {
  const { DATABASE_URL, NATS_URL, ...inherited } = process.env
  const child = spawn(process.execPath, ['--import', 'tsx', main, ...args], {
    env: { ...inherited, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  onTestFinished(() => {
    child.kill('SIGKILL')
  })
  return { child, ended: endOf(child) }
}

async function endOf(child: ChildProcess) {
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout!),
    text(child.stderr!),
    once(child, 'exit'),
  ])
  return { code: code as number | null, stdout, stderr }
}

describeWithNats('npm run demo', () => {
  test('--json: one object, in which everything agrees', async () => {
    const { child, ended } = startDemo(['--orders', '150', '--json'])
    const { code, stdout, stderr } = await ended
    expect({ code, stderr }).toMatchObject({ code: 0 })
    const report = JSON.parse(stdout)
    expect(report).toMatchObject({
      destination: expect.stringContaining('JetStream'),
      orders: 150,
      missing: 0,
      duplicated: 0,
      outOfOrder: 0,
      changed: 0,
      phantoms: 0,
      ok: true,
    })
    const committed = report.transactionsCommitted
    expect(committed).toBeGreaterThan(300)
    expect(report).toMatchObject({
      eventsStored: committed,
      eventsPublished: committed,
      eventsReceived: committed,
    })
    const { rule, statement, concurrency } = report.rolledBackBy
    expect(Math.min(rule, statement, concurrency)).toBeGreaterThan(0)
    expect(report.transactionsRolledBack).toBe(rule + statement + concurrency)
    expect(report.latencyP50Ms).toBeGreaterThan(0)
    expect(report.latencyP99Ms).toBeGreaterThanOrEqual(report.latencyP50Ms)
    expect(report.eventsPerSecond).toBeGreaterThan(0)
    await expectNothingLeftOf(child.pid!)
  })

  test('on the servers that the environment names; a table without colours', async () => {
    const servers = { DATABASE_URL: inject('databaseUrl'), NATS_URL: inject('natsUrl')! }
    const { code, stdout, stderr } = await startDemo(['--orders', '20'], servers).ended
    expect({ code, stderr }).toMatchObject({ code: 0 })
    expect(stdout).toMatch(/│ Missing +│ +0 │/)
    expect(stdout).toContain('✓')
    expect(stdout).not.toContain('\u001b')
  })
})

describe('options', () => {
  test.each([['--order', '5'], ['--orders', '0'], ['--orders', 'many'], ['5']])(
    '%s %s is refused',
    async (...args) => {
      const { code, stdout, stderr } = await startDemo(args).ended
      expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
      expect(stderr).toContain('Usage: npm run demo')
    },
  )

  test('--help', async () => {
    const { code, stdout } = await startDemo(['--help']).ended
    expect(code).toBe(0)
    expect(stdout).toContain('--orders N')
  })
})

test.each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)('%s ends it in order', async (signal, exitCode) => {
  const { child, ended } = startDemo(['--orders', '100000'])
  await Promise.race([once(child.stderr, 'data'), ended]) // its first line of progress
  await sleep(100)
  child.kill(signal)
  expect(await ended).toMatchObject({ code: exitCode, stdout: '' })
  await expectNothingLeftOf(child.pid!)
})
