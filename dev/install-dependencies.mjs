/** Runs `npm ci` if what is installed is not what package-lock.json says. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { withLock } from './lock-directory.mjs'
import { dieWithParent, runToEnd } from './run-to-end.mjs'

/** Two runs at the same time in the same clone: one installs, the other one waits for it. */
export async function installDependencies(root) {
  if (installed(root)) return
  const onWait = (owner) =>
    console.error(`Waiting for process ${owner}, which is installing the dependencies`)
  await withLock(join(root, '.npm-ci.lock'), onWait, async () => {
    if (installed(root)) return
    console.error('Installing the dependencies: npm ci')
    // A npm that outlives us would work on beside that of the next run, which finds our lock without an owner.
    const env = {
      ...process.env,
      NODE_OPTIONS: `${process.env.NODE_OPTIONS ?? ''} --import=${dieWithParent}`,
    }
    const { code } = await runToEnd('npm', ['ci'], { cwd: root, env, stdio: ['ignore', 2, 2] })
    if (code !== 0) throw new Error('npm ci failed: see its messages above')
  })
}

/** Optional packages may be absent, being for other platforms. */
function installed(root) {
  const wanted = packagesIn(join(root, 'package-lock.json'))
  const present = packagesIn(join(root, 'node_modules/.package-lock.json'))
  return Object.entries(wanted).every(([path, { version, optional }]) => {
    const found = present[path]
    return path === '' || (found ? found.version === version : optional)
  })
}

function packagesIn(lockFile) {
  try {
    return JSON.parse(readFileSync(lockFile, 'utf8')).packages
  } catch (error) {
    if (error.code === 'ENOENT') return {}
    throw error
  }
}
