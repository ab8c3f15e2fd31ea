/** The package as `npm publish` would send it: `npm pack`, with the build that it brings about. */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cp, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, symlink } from 'node:fs/promises'
import { basename, join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { withLock } from '../../dev/lock-directory.mjs'

export const repository = fileURLToPath(new URL('../..', import.meta.url))
const run = promisify(execFile)

export interface PackedPackage {
  readonly tarball: string
  /** Where it lies unpacked. */
  readonly folder: string
  /** Every file in it, such as `dist/index.js`. */
  readonly files: readonly string[]
  readonly manifest: Manifest
}

export interface Manifest {
  readonly version: string
  readonly type: string
  readonly bin: Readonly<Record<string, string>>
  readonly exports: Readonly<Record<string, string | { readonly types: string; readonly default: string }>>
  readonly scripts: Readonly<Record<string, string>>
  readonly dependencies: Readonly<Record<string, string>>
  readonly peerDependencies: Readonly<Record<string, string>>
}

/**
 * Packs a copy of the working tree, so that nobody's `dist` is touched. All test files share the result: it is kept by
 * the content of that copy.
 */
export async function packPackage(): Promise<PackedPackage> {
  const shelf = join(repository, 'node_modules/.cache/drizzle-outbox-packed')
  await mkdir(shelf, { recursive: true })
  await clearShelf(shelf)
  const workshop = await mkdtemp(join(shelf, 'making-'))
  try {
    const copy = join(workshop, 'copy')
    for (const name of (await readdir(repository)).filter(isSource))
      await cp(join(repository, name), join(copy, name), { recursive: true, filter: isSource })
    const packed = join(shelf, await hashOf(copy))
    // Test files that run at the same time wait for the first of them.
    await withLock(
      `${packed}.lock`,
      () => {},
      async () => {
        if (!(await exists(packed))) await pack(copy, workshop, packed)
      },
    )
    return await readPacked(packed)
  } finally {
    await rm(workshop, { recursive: true, force: true })
  }
}

async function pack(copy: string, workshop: string, packed: string): Promise<void> {
  await symlink(join(repository, 'node_modules'), join(copy, 'node_modules'))
  await run('npm', ['pack', '--pack-destination', workshop], { cwd: copy }).catch((error) => {
    throw new Error(`npm pack failed:\n${error.stdout}${error.stderr}`, { cause: error })
  })
  const [tarball] = (await readdir(workshop)).filter((name) => name.endsWith('.tgz'))
  await run('tar', ['xzf', tarball!], { cwd: workshop })
  await rm(copy, { recursive: true })
  await rename(workshop, packed)
}

async function readPacked(packed: string): Promise<PackedPackage> {
  const [tarball] = (await readdir(packed)).filter((name) => name.endsWith('.tgz'))
  const folder = join(packed, 'package')
  const manifest = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'))
  return { tarball: join(packed, tarball!), folder, files: await filesIn(folder), manifest }
}

const NOT_SOURCE = /^(node_modules|dist|coverage|\.git|\.snippets|\.npm-ci\.lock.*|.*\.tgz)$/

function isSource(path: string): boolean {
  return !NOT_SOURCE.test(basename(path))
}

async function hashOf(folder: string): Promise<string> {
  const hash = createHash('sha256').update(process.version)
  for (const file of await filesIn(folder))
    hash.update(`${file}\0`).update(await readFile(join(folder, file)))
  return hash.digest('hex').slice(0, 16)
}

/** Paths relative to the folder, with slashes, in order. */
async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).replaceAll(sep, '/'))
    .sort()
}

/** What an earlier run has left. Another run may be at work beside this one, so what is young stays. */
async function clearShelf(shelf: string): Promise<void> {
  for (const name of await readdir(shelf)) {
    const { mtimeMs } = await stat(join(shelf, name)).catch(() => ({ mtimeMs: Number.POSITIVE_INFINITY }))
    if (Date.now() - mtimeMs > AN_HOUR_MS) await rm(join(shelf, name), { recursive: true, force: true })
  }
}
const AN_HOUR_MS = 3_600_000

function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}
