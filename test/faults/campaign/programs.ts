/**
 * The programs of a campaign, bundled from source once: a relay that is killed a thousand times must start fast. And the
 * one place where a bug gets in.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { readFile, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { build, type Plugin } from 'esbuild'
import type { Bug } from './bugs.js'

const root = fileURLToPath(new URL('../../../', import.meta.url))

export interface Programs {
  readonly relay: string
  readonly writer: string
}

/** Into a private directory, whose janitor then also finds the processes that run them. */
export async function bundlePrograms(directory: string, bug?: Bug): Promise<Programs> {
  await symlink(join(root, 'node_modules'), join(directory, 'node_modules'))
  const programs = join(root, 'test/faults/campaign/programs')
  await build({
    entryPoints: [join(programs, 'relay.ts'), join(programs, 'writer.ts')],
    outdir: directory,
    outExtension: { '.js': '.mjs' },
    tsconfig: join(root, 'tsconfig.json'),
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    target: 'node20',
    sourcemap: 'inline',
    plugins: bug ? [seeding(bug)] : [],
  })
  return { relay: join(directory, 'relay.mjs'), writer: join(directory, 'writer.mjs') }
}

/** Changes the source of the product on its way into the bundle. */
function seeding({ name, changes }: Bug): Plugin {
  return {
    name,
    setup: (bundle) => {
      bundle.onLoad({ filter: /\/src\/.*\.ts$/ }, async ({ path }) => {
        const ours = changes.filter(({ file }) => path === join(root, 'src', file))
        if (ours.length === 0) return undefined
        let contents = await readFile(path, 'utf8')
        for (const { file, find, replace } of ours) {
          if (contents.split(find).length !== 2)
            throw new Error(`the bug "${name}": ${file} does not have this once: ${find}`)
          contents = contents.replace(find, () => replace)
        }
        return { contents, loader: 'ts' }
      })
    },
  }
}

/** Starts a program that tells what it does as JSON, one object a line. */
export function startProgram(
  program: string,
  options: object,
  hear: (told: { readonly type: string; readonly at: number; readonly [detail: string]: unknown }) => void,
): ChildProcess {
  const child = spawn(process.execPath, [program, JSON.stringify(options)], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  })
  createInterface({ input: child.stdout! }).on('line', (line) => hear(JSON.parse(line)))
  createInterface({ input: child.stderr! }).on('line', (text) =>
    hear({ type: 'complaint', at: Date.now(), text }),
  )
  return child
}
