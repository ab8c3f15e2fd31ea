/** Whatever ends the process that started the servers, they and their directories go with it. */
import { execSync } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { startChild } from '../support/child.js'
import { expectNothingLeftOf, leftoversOf } from '../support/leftovers.js'

const fixture = new URL('./fixtures/start-servers.ts', import.meta.url)

test.each(['SIGKILL', 'SIGTERM', 'SIGINT', 'SIGHUP'] as const)('%s', async (signal) => {
  const { pid, line } = startChild(fixture, 'wait')
  expect(await line()).toBe('started')
  expect(leftoversOf(pid).length).toBeGreaterThan(3)
  process.kill(pid, signal)
  await expectNothingLeftOf(pid)
})

test('SIGKILL for the whole process group', async () => {
  const { pid, line } = startChild(fixture, 'wait')
  expect(await line()).toBe('started')
  process.kill(-pid, 'SIGKILL')
  await expectNothingLeftOf(pid)
})

test.each([0, 50, 200, 400, 700])(
  'SIGKILL for the whole process group %i ms after its first directory appeared',
  async (ms) => {
    const { pid } = startChild(fixture, 'wait')
    await expect.poll(() => leftoversOf(pid), { interval: 5 }).not.toEqual([])
    await sleep(ms)
    process.kill(-pid, 'SIGKILL')
    await expectNothingLeftOf(pid)
  },
)

test.each([
  ['throw', 1],
  ['return', 0],
])('%s', async (ending, exitCode) => {
  const { pid, ended, line } = startChild(fixture, ending)
  expect(await line()).toBe('started')
  expect(await ended).toEqual([exitCode, null])
  await expectNothingLeftOf(pid)
})

test('keep: they live on, until the command that it prints', async () => {
  const { pid, ended, line } = startChild(fixture, 'keep')
  expect(await line()).toBe('started')
  const command = await line()
  await ended
  await sleep(1_000)
  expect(leftoversOf(pid).length).toBeGreaterThan(3)
  execSync(command!)
  expect(leftoversOf(pid)).toEqual([])
})
