import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { resolveTables } from '../../src/event-log/tables.js'
import { Lease } from '../../src/relay/lease.js'

/** A relay row that answers, hangs, or belongs to another. The clocks are fake; the SQL is tested on real servers. */
let database: 'answers' | 'hangs' | 'refuses'
const execute = vi.fn((_: unknown): Promise<unknown> => {
  if (database === 'hangs') return new Promise(() => {})
  return Promise.resolve(database === 'refuses' ? [] : [{ epoch: '1', same_cluster: 'true' }])
})
const options = { name: 'r', owner: 'o', leaseMs: 9000, marginMs: 2000 }
const log = { db: { execute }, tables: resolveTables() }
const acquire = async () => (await Lease.acquire(log, options)) as Lease

beforeEach(() => {
  database = 'answers'
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance', 'Date'] })
})
afterEach(() => vi.useRealTimers())

describe('Lease', () => {
  it('is renewed while it is held', async () => {
    const lease = await acquire()
    await vi.advanceTimersByTimeAsync(60_000)
    expect(lease.isSure()).toBe(true)
    expect(lease.lost.aborted).toBe(false)
  })

  it('is not sure any more once what is sent might be settled after it lapsed', async () => {
    const lease = await acquire()
    database = 'hangs'
    await vi.advanceTimersByTimeAsync(6999)
    expect(lease.isSure()).toBe(true)
    await vi.advanceTimersByTimeAsync(1)
    expect(lease.isSure()).toBe(false)
    expect(() => lease.assertSure()).toThrow(expect.objectContaining({ code: 'ERR_OUTBOX_LEASE_LOST' }))
  })

  it('is not sure after the machine was suspended, when only the wall clock went on', async () => {
    const lease = await acquire()
    vi.setSystemTime(Date.now() + 7000)
    expect(lease.isSure()).toBe(false)
  })

  it('is as sure as ever when the wall clock is set back', async () => {
    const lease = await acquire()
    database = 'hangs'
    vi.setSystemTime(Date.now() - 3_600_000)
    await vi.advanceTimersByTimeAsync(6999)
    expect(lease.isSure()).toBe(true)
    await vi.advanceTimersByTimeAsync(1)
    expect(lease.isSure()).toBe(false)
  })

  it('is lost when another relay has raised the epoch, and asks no more', async () => {
    const lease = await acquire()
    database = 'refuses'
    await vi.advanceTimersByTimeAsync(3000)
    expect(lease.lost.aborted).toBe(true)
    expect(lease.isSure()).toBe(false)
    execute.mockClear()
    await vi.advanceTimersByTimeAsync(60_000)
    await lease.release()
    expect(execute).not.toHaveBeenCalled()
  })

  it('asks no more once it is released', async () => {
    const lease = await acquire()
    await lease.release()
    expect(lease.isSure()).toBe(false)
    execute.mockClear()
    await vi.advanceTimersByTimeAsync(60_000)
    expect(execute).not.toHaveBeenCalled()
  })
})
