/** Server programs that no npm package ships: the system's, else out of a Debian package of the same name. */
import { execFile } from 'node:child_process'
import { readdir } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { childEnvironment } from './child-environment.js'
import { unpackDebianPackage } from './debian-package.js'

const run = promisify(execFile)
const cache = fileURLToPath(new URL('../../node_modules/.cache/drizzle-outbox', import.meta.url))

export interface FoundProgram {
  readonly path: string
  /** Where its libraries are, if the system lacks some. */
  readonly env: Readonly<Record<string, string>>
}

/** Fetches the Debian package where there is no such program. Undefined: it cannot be had. */
export async function findProgram(name: string): Promise<FoundProgram | undefined> {
  for (const folder of [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/local/bin']) {
    const program = { path: join(folder, name), env: {} }
    if (await runs(program)) return program
  }
  const target = join(cache, name)
  const unpacked = async () => ({ path: join(target, 'usr/sbin', name), env: await librariesIn(target) })
  const cached = await unpacked()
  if (await runs(cached)) return cached
  if (!(await unpackDebianPackage(name, target))) return undefined
  const fetched = await unpacked()
  return (await runs(fetched)) ? fetched : undefined
}

/** Debian keeps libraries in a folder for each architecture: `usr/lib/x86_64-linux-gnu`. */
async function librariesIn(target: string): Promise<FoundProgram['env']> {
  const parents = [join(target, 'usr/lib'), join(target, 'lib')]
  const folders = await Promise.all(
    parents.map(async (parent) => {
      const entries = await readdir(parent).catch(() => [])
      return entries.filter((entry) => entry.includes('-linux-')).map((entry) => join(parent, entry))
    }),
  )
  const path = folders.flat().join(delimiter)
  return path === '' ? {} : { LD_LIBRARY_PATH: path }
}

async function runs({ path, env }: FoundProgram): Promise<boolean> {
  try {
    await run(path, ['--version'], { env: { ...childEnvironment(), ...env } })
    return true
  } catch {
    return false
  }
}
