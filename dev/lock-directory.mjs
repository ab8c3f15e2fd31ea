/**
 * A lock between processes: a directory that holds one file, named by the id of its owner.
 *
 * No two processes can both take over the lock of a dead one: whoever finds it removes that owner's file, no
 * other, and a directory can be renamed over an empty one only.
 */
import { mkdirSync, readdirSync, renameSync, rmdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/** Calls `onWait` with the owner's id, once, if another process holds the lock. */
export async function withLock(path, onWait, work) {
  for (let waiting = false; !acquire(path); waiting = true) {
    const owner = ownerOf(path)
    if (owner && !alive(owner)) rmSync(join(path, `${owner}`), { force: true })
    else {
      if (owner && !waiting) onWait(owner)
      await sleep(200)
    }
  }
  try {
    return await work()
  } finally {
    release(path)
  }
}

function acquire(path) {
  const mine = `${path}.${process.pid}`
  mkdirSync(mine, { recursive: true })
  writeFileSync(join(mine, `${process.pid}`), '')
  try {
    renameSync(mine, path)
    return true
  } catch (error) {
    if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error
    rmSync(mine, { recursive: true })
    return false
  }
}

function release(path) {
  rmSync(join(path, `${process.pid}`), { force: true })
  try {
    rmdirSync(path)
  } catch {
    // The next owner moved in already.
  }
}

function ownerOf(path) {
  try {
    return Number(readdirSync(path)[0])
  } catch {
    return undefined
  }
}

function alive(pid) {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error.code === 'EPERM'
  }
}
