import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { startChild } from '../support/child.js'

function runs(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

describe('a command run to its end', () => {
  const fixture = new URL('./fixtures/run-forever.mjs', import.meta.url)

  test.each(['SIGTERM', 'SIGINT', 'SIGKILL'] as const)('ends when its runner gets a %s', async (signal) => {
    const runner = startChild(fixture)
    const pid = Number(await runner.line())
    process.kill(runner.pid, signal)
    expect(await runner.ended).toEqual([null, signal])
    await expect.poll(() => runs(pid)).toBe(false)
  })
})

describe('the lock', () => {
  const fixture = new URL('./fixtures/hold-lock.mjs', import.meta.url)

  async function lockPath() {
    const folder = await mkdtemp(join(tmpdir(), 'lock-'))
    onTestFinished(() => rm(folder, { recursive: true, force: true }))
    return join(folder, 'lock')
  }

  test('has one holder at a time', async () => {
    const path = await lockPath()
    const children = Array.from({ length: 4 }, () => startChild(fixture, path, '300'))
    const spoken: (string | undefined)[] = []
    await Promise.all(
      children.map(async ({ line }) => {
        spoken.push(await line())
        spoken.push(await line())
      }),
    )
    expect(spoken).toEqual(children.flatMap(() => ['taken', 'given back']))
  })

  test('is taken over from a holder that was killed', async () => {
    const path = await lockPath()
    const killed = startChild(fixture, path, '60000')
    await killed.line()
    const next = startChild(fixture, path, '0')
    process.kill(killed.pid, 'SIGKILL')
    expect(await next.line()).toBe('taken')
    expect(await next.ended).toEqual([0, null])
  })
})
