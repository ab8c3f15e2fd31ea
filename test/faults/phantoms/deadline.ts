import { setTimeout as sleep } from 'node:timers/promises'

/** Whatever takes longer than this hangs. */
const DEADLINE_MS = 8_000

export const HANGS = Symbol('hangs')

/** What it comes to, or `HANGS`. A rejection is one. */
export async function settle<T>(promise: Promise<T>): Promise<T | typeof HANGS> {
  const timer = new AbortController()
  promise.catch(() => {})
  try {
    return await Promise.race([
      promise,
      sleep(DEADLINE_MS, HANGS, { signal: timer.signal }) as Promise<typeof HANGS>,
    ])
  } finally {
    timer.abort()
  }
}
