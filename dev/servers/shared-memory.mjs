/** Shared memory that a PostgreSQL which got a SIGKILL leaves to the system. */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** Frees what `postmaster.pid` names. After an orderly end there is no such file. */
export function freeSharedMemory(dataDirectory) {
  try {
    const lines = readFileSync(join(dataDirectory, 'postmaster.pid'), 'utf8').split('\n')
    const [, segment] = lines[6].trim().split(/\s+/)
    execFileSync('ipcrm', ['-m', segment], { stdio: 'ignore' })
  } catch {
    // No such file, or no such segment: nothing to free.
  }
}
