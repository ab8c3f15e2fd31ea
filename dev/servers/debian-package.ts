/** Unpacks a Debian package into a folder of ours: without root, and without installing anything. */
import { execFile } from 'node:child_process'
import { mkdir, readdir, rename, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { childEnvironment } from './child-environment.js'
import { makePrivateDirectory } from './private-directory.js'

const run = promisify(execFile)
const patienceMs = 60_000

/** False if that cannot be done here: no Debian or Ubuntu, no network, no such package. */
export async function unpackDebianPackage(name: string, target: string): Promise<boolean> {
  if (!(await hasApt())) return false
  await mkdir(dirname(target), { recursive: true })
  const work = await makePrivateDirectory(dirname(target))
  try {
    const file = await download(name, work.path)
    const unpacked = join(work.path, 'unpacked')
    await apt('dpkg', ['-x', file, unpacked], work.path)
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
  return join(directory, files.find((file) => file.endsWith('.deb'))!)
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
