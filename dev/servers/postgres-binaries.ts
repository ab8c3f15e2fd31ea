/** Where `postgres` and `initdb` come from: the npm package, else the system. */
import { execFile } from 'node:child_process'
import { cp, readdir } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import type { Account } from './account.js'
import { childEnvironment } from './child-environment.js'
import { embeddedPostgres, restoreLinks } from './embedded-postgres.js'

const run = promisify(execFile)

const howToGetPostgres = `No PostgreSQL runs here. One of these gives you one:
  any system      npm ci                        (brings its own PostgreSQL, unless run with --omit=optional)
  Debian, Ubuntu  apt-get install postgresql
  macOS           brew install postgresql
or set DATABASE_URL to a server on which you may create databases.`

/**
 * The folder of programs that run under the account. `directory`: where to put a copy of them, if need be. `programs`: what
 * must be there too.
 */
export async function findPostgres(
  directory: string,
  account: Account | undefined,
  programs: readonly string[] = [],
): Promise<string> {
  const embedded = programs.length === 0 ? await findEmbedded(directory, account) : undefined
  if (embedded) return embedded
  for (const folder of [...(await debianFolders()), ...(process.env.PATH ?? '').split(delimiter)]) {
    if (await runs(folder, account, programs)) return folder
  }
  throw new Error(howToGetPostgres)
}

async function findEmbedded(directory: string, account: Account | undefined): Promise<string | undefined> {
  const installed = embeddedPostgres()
  if (!installed) return undefined
  await restoreLinks(installed)
  if (await runs(join(installed, 'bin'), account)) return join(installed, 'bin')

  // Out of the account's reach, as in a clone below /root, or links that only the owner of the clone can make.
  const copy = join(directory, 'postgresql')
  await cp(installed, copy, { recursive: true, verbatimSymlinks: true })
  await restoreLinks(copy)
  if (account) await run('chown', ['-R', `${account.uid}:${account.gid}`, copy])
  return (await runs(join(copy, 'bin'), account)) ? join(copy, 'bin') : undefined
}

/** Newest first. */
async function debianFolders(): Promise<string[]> {
  const root = '/usr/lib/postgresql'
  const versions = await readdir(root).catch(() => [])
  return versions.sort((a, b) => Number(b) - Number(a)).map((version) => join(root, version, 'bin'))
}

async function runs(
  folder: string,
  account: Account | undefined,
  programs: readonly string[] = [],
): Promise<boolean> {
  const options = { ...account, cwd: '/', env: childEnvironment() }
  try {
    const needed = ['postgres', 'initdb', ...programs]
    await Promise.all(needed.map((name) => run(join(folder, name), ['--version'], options)))
    return true
  } catch {
    return false
  }
}
