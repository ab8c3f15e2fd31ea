import { AsyncLocalStorage } from 'node:async_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { resolveTables } from '../../src/event-log/tables.js'
import { CommitNotifier } from '../../src/transaction/commit-notifier.js'

/** A database that answers when it is told to. */
let answers: { resolve(rows: unknown[]): void; reject(error: Error): void }[]
const answer = (): Promise<unknown> => new Promise((resolve, reject) => answers.push({ resolve, reject }))
const sent = () => expect.poll(() => answers.length)
const notifierOf = (execute: () => Promise<unknown>) =>
  new CommitNotifier({ db: { execute }, tables: resolveTables() })
let notifier: CommitNotifier

beforeEach(() => {
  answers = []
  notifier = notifierOf(answer)
})
afterEach(() => vi.useRealTimers())

describe('CommitNotifier', () => {
  it('notifies of the first commit at once, and once of those that came meanwhile, after the last of them', async () => {
    notifier.notify()
    expect(answers).toHaveLength(1)
    for (let commits = 0; commits < 5; commits++) notifier.notify()
    await sleep(20)
    expect(answers).toHaveLength(1)
    answers[0]!.resolve([])
    await sent().toBe(2)
    notifier.notify()
    answers[1]!.resolve([])
    await sent().toBe(3)
    answers[2]!.resolve([])
    await sleep(20)
    expect(answers).toHaveLength(3)
  })

  it('notifies of those that come right after a notification', async () => {
    notifier.notify()
    answers[0]!.resolve([])
    await Promise.resolve()
    notifier.notify()
    await sent().toBe(2)
  })

  it('goes on after one that failed, and after one that hangs', async () => {
    vi.useFakeTimers()
    notifier.notify()
    answers[0]!.reject(new Error('on purpose'))
    notifier.notify()
    await vi.advanceTimersByTimeAsync(1000)
    expect(answers).toHaveLength(2)
    notifier.notify()
    await vi.advanceTimersByTimeAsync(1000)
    expect(answers).toHaveLength(2)
    await vi.advanceTimersByTimeAsync(60_000)
    expect(answers).toHaveLength(3)
  })

  it('does not run in the context of whose commit came first', async () => {
    const requests = new AsyncLocalStorage<string>()
    const seen: unknown[] = []
    notifier = notifierOf(async () => seen.push(requests.getStore()))
    for (const request of ['first', 'second']) requests.run(request, () => notifier.notify())
    await expect.poll(() => seen).toEqual([undefined, undefined])
  })
})
