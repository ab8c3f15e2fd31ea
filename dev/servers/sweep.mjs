/**
 * Ends every process that belongs to a private directory, and removes the directory.
 *
 * A process belongs to a directory whose name its command line or environment mentions: that also finds those
 * that nobody has the id of, because their parent was killed. Plain JavaScript, since the janitor runs it.
 */

import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { basename, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freeSharedMemory } from './shared-memory.mjs'

const privateName = /^drizzle-outbox-\d+-[0-9a-f]{12}$/
const patienceMs = 60_000

export async function sweep(directory) {
  const name = basename(directory)
  if (!privateName.test(name)) throw new Error(`${directory} is not a private directory of ours`)
  const deadline = Date.now() + patienceMs
  while (Date.now() < deadline) {
    end(processesOf(name))
    await untilGone(directory, 5_000)
    freeSharedMemory(join(directory, 'data'))
    if (removed(directory)) return
  }
  throw new Error(`cannot remove ${directory}`)
}

/** SIGKILL would leave PostgreSQL's shared memory behind: it gets a chance to end by itself, and quickly. */
function end(processes) {
  const [initdb] = processes.filter(({ command }) => programOf(command) === 'initdb')
  if (initdb) return signal(initdb.pid, 'SIGTERM') // and the others are what it runs: it ends them in good order
  for (const { pid, command } of processes) {
    signal(pid, programOf(command) === 'postgres' ? 'SIGQUIT' : 'SIGKILL')
    signal(pid, 'SIGCONT') // in case somebody froze it
  }
}

/** PostgreSQL's backends call themselves `postgres: …`. */
function programOf(command) {
  return /^(?:\S*\/)?(\w+)[: ]/.exec(command)?.[1]
}

/** Resolves once the directory has no processes; those that outlive the grace time are killed. */
export async function untilGone(directory, graceMs) {
  const name = basename(directory)
  const grace = Date.now() + graceMs
  const deadline = grace + patienceMs
  for (let left = processesOf(name); left.length > 0; left = processesOf(name)) {
    if (Date.now() > deadline)
      throw new Error(`processes of ${directory} do not end: ${left.map((p) => p.pid)}`)
    if (Date.now() > grace) for (const { pid } of left) signal(pid, 'SIGKILL')
    await sleep(20)
  }
}

/** Those that mention the text, except ourselves and whoever started us. */
export function processesOf(name) {
  const processes = existsSync('/proc/self/environ') ? fromProc() : fromPs()
  return processes.filter(
    ({ pid, text }) => pid !== process.pid && pid !== process.ppid && text.includes(name),
  )
}

function fromProc() {
  const pids = readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))
  return pids.map((pid) => {
    const command = contents(`/proc/${pid}/cmdline`)
    return { pid: Number(pid), command, text: command + contents(`/proc/${pid}/environ`) }
  })
}

function fromPs() {
  const lines = execFileSync('ps', ['-axEww', '-o', 'pid=,command='], { encoding: 'utf8' }).split('\n')
  return lines.map((line) => {
    const [, pid, text] = /^\s*(\d+)\s+(.*)$/.exec(line) ?? ['', '0', '']
    return { pid: Number(pid), command: text, text }
  })
}

/** Empty if the process has just ended, or is somebody else's. */
function contents(path) {
  try {
    return readFileSync(path, 'latin1').replaceAll('\0', ' ')
  } catch {
    return ''
  }
}

function signal(pid, name) {
  try {
    process.kill(pid, name)
  } catch {
    // It ended between the look and the signal.
  }
}

/** False if something was created in it meanwhile: then there is one more process to end. */
function removed(directory) {
  try {
    rmSync(directory, { recursive: true, force: true })
  } catch {
    return false
  }
  return !existsSync(directory)
}
