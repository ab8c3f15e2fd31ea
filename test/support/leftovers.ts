/** What a process that started servers has left on this machine. */
import { readdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { expect } from 'vitest'
import { processesOf } from '../../dev/servers/sweep.mjs'

/** Commands of the processes, and names of the directories. */
export function leftoversOf(pid: number): string[] {
  const mark = `drizzle-outbox-${pid}-`
  const entries = [...new Set(['/tmp', tmpdir()])].flatMap((folder) => readdirSync(folder))
  const processes = processesOf(mark).map(({ command }) => command)
  return [...processes, ...entries.filter((entry) => entry.startsWith(mark))]
}

/** The janitor gets to work when the process is gone: allow it some seconds. */
export async function expectNothingLeftOf(pid: number): Promise<void> {
  await expect.poll(() => leftoversOf(pid)).toEqual([])
}
