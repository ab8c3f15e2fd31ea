/** Unpacks Debian packages into a folder of ours: without root, and without installing anything. */
import { execFile } from 'node:child_process'
import { mkdir, readdir, rename, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { childEnvironment } from './child-environment.js'
import { makePrivateDirectory } from './private-directory.js'

const run = promisify(execFile)
const patienceMs = 60_000

/**
 * With it, into the same folder, come the libraries that it needs and the system lacks. False if that cannot be done
 * here: no Debian or Ubuntu, no network, no such package.
 */
export async function unpackDebianPackage(name: string, target: string): Promise<boolean> {
  if (!(await hasApt())) return false
  await mkdir(dirname(target), { recursive: true })
  const work = await makePrivateDirectory(dirname(target))
  try {
    const unpacked = join(work.path, 'unpacked')
    const packages = new Set([name])
    for (const each of packages) {
      const file = await download(each, work.path)
      await apt('dpkg', ['-x', file, unpacked], work.path)
      for (const library of await missingLibraries(file)) packages.add(library) // and the loop gets to it
    }
    // Whole at once. If another run was faster, the target is there and not empty: theirs is as good.
    await rename(unpacked, target).catch((error) => {
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error
    })
    return true
  } catch {
    return false
  } finally {
    await work.remove()
  }
}

async function hasApt(): Promise<boolean> {
  const found = await Promise.allSettled([run('apt-get', ['--version']), run('dpkg', ['--version'])])
  return found.every(({ status }) => status === 'fulfilled')
}

/** With the package lists that the system has, else with lists of our own made from the system's sources. */
async function download(name: string, directory: string): Promise<string> {
  const config = join(directory, 'apt.conf')
  const lists = join(directory, 'lists')
  await mkdir(join(lists, 'partial'), { recursive: true })
  await mkdir(join(directory, 'cache/archives/partial'), { recursive: true })
  await writeFile(config, aptConfig(join(directory, 'cache')))
  const ownLists = ['-c', config, '-o', `Dir::State::Lists=${lists}`]
  try {
    await apt('apt-get', ['-c', config, 'download', name], directory)
  } catch {
    await apt('apt-get', [...ownLists, 'update'], directory)
    await apt('apt-get', [...ownLists, 'download', name], directory)
  }
  const files = await readdir(directory)
  return join(directory, files.find((file) => file.startsWith(`${name}_`) && file.endsWith('.deb'))!)
}

/** Packages that the package in the file depends on, and that are not installed. */
async function missingLibraries(file: string): Promise<string[]> {
  const { stdout } = await run('dpkg-deb', ['--field', file, 'Depends'])
  const needed = stdout.split(',').map((dependency) => /^\s*([^\s:|(]+)/.exec(dependency)?.[1] ?? '')
  const libraries = needed.filter((name) => name.startsWith('lib'))
  const installed = await Promise.all(libraries.map(isInstalled))
  return libraries.filter((_, index) => !installed[index])
}

async function isInstalled(name: string): Promise<boolean> {
  const status = run('dpkg-query', ['--status', name])
  return status.then(
    ({ stdout }) => /^Status: .* installed$/m.test(stdout),
    () => false, // dpkg has never heard of it
  )
}

/** Cleared are the hooks with which systems tidy up their own caches after an update. */
const aptConfig = (cache: string) => `
Dir::Cache "${cache}";
APT::Sandbox::User "root";
Acquire::Retries "1";
Acquire::http::Timeout "15";
Acquire::https::Timeout "15";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
`

/** The environment names the directory, so that the janitor also finds the programs that apt runs. */
async function apt(command: string, args: string[], directory: string): Promise<void> {
  const env = { ...childEnvironment(), TMPDIR: directory }
  await run(command, args, { cwd: directory, env, timeout: patienceMs })
}
