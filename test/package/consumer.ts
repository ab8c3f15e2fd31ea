/** A project that has installed the packed package: what an application of our users looks like on disk. */
import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type PackedPackage, repository } from './packed.js'

/** The lines of Drizzle that we support. */
export const drizzleLines = ['0.45', '1.0'] as const
export type DrizzleLine = (typeof drizzleLines)[number]

/** Where each is installed. */
const drizzleHomes = { '0.45': 'node_modules', '1.0': 'test/drizzle-1/node_modules' }

/** For `node`, before a file in TypeScript. */
export const runTypeScript = ['--import', import.meta.resolve('tsx')] as const

export interface Consumer {
  readonly folder: string
  /** Runs `node` with these arguments in the project. @throws when it fails, with what it printed. */
  node(args: readonly string[], env?: Readonly<Record<string, string>>): Promise<string>
  remove(): Promise<void>
}

export interface ConsumerOptions {
  /** The line of Drizzle that is installed; without it, none is, nor any driver. */
  readonly drizzle?: DrizzleLine
  /** Files of `fixtures/`, by name. */
  readonly fixtures?: readonly string[]
  /** Other files: what is in them, by name. */
  readonly files?: Readonly<Record<string, string>>
}

/**
 * It lies outside of the repository, so that nothing is found by accident. Our package is copied, not linked: a link
 * would look for Drizzle where it points to.
 */
export async function createConsumer(packed: PackedPackage, options: ConsumerOptions): Promise<Consumer> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'drizzle-outbox-consumer-')))
  const { drizzle, fixtures = [], files = {} } = options
  await cp(packed.folder, join(folder, 'node_modules/drizzle-outbox'), { recursive: true })
  const link = async (name: string, from = 'node_modules') => {
    await mkdir(dirname(join(folder, 'node_modules', name)), { recursive: true })
    await symlink(join(repository, from, name), join(folder, 'node_modules', name))
  }
  for (const name of [...Object.keys(packed.manifest.dependencies), 'zod', '@types/node']) await link(name)
  if (drizzle !== undefined) {
    for (const name of ['drizzle-orm', 'drizzle-kit']) await link(name, drizzleHomes[drizzle])
    for (const name of DATABASE_PACKAGES) await link(name)
  }
  for (const name of fixtures)
    await cp(fileURLToPath(new URL(`./fixtures/${name}`, import.meta.url)), join(folder, name))
  const manifest = { name: 'consumer', private: true, type: 'module' }
  for (const [name, text] of Object.entries({ 'package.json': JSON.stringify(manifest), ...files }))
    await writeFile(join(folder, name), text)
  return {
    folder,
    node: (args, env) => runNode(folder, args, env),
    remove: () => rm(folder, { recursive: true, force: true }),
  }
}

const DATABASE_PACKAGES = [
  ...['pg', 'postgres', '@electric-sql/pglite', '@neondatabase/serverless', '@vercel/postgres'],
  ...['@nats-io/transport-node', '@nats-io/jetstream', '@types/pg', 'prom-client'],
]

function runNode(cwd: string, args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  return new Promise<string>((resolve, reject) => {
    const options = { cwd, env: { ...process.env, ...env }, maxBuffer: 64 * 1024 * 1024 }
    execFile(process.execPath, args, options, (error, stdout, stderr) => {
      if (error === null) resolve(stdout)
      else reject(new Error(`node ${args.join(' ')} failed:\n${stdout}${stderr}`))
    })
  })
}
