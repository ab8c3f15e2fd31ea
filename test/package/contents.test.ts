/** What is in the package, and what is not. */
import { execFile } from 'node:child_process'
import { access, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { publint } from 'publint'
import ts from 'typescript'
import { beforeAll, expect, it } from 'vitest'
import { createConsumer, drizzleLines } from './consumer.js'
import { type PackedPackage, packPackage, repository } from './packed.js'

const run = promisify(execFile)
let packed: PackedPackage
beforeAll(async () => {
  packed = await packPackage()
}, 120_000)

it('has the build, the source that its maps and tables lead to, the migrations, and the usual papers', () => {
  const expected = [
    /^dist\/.+\.(js|js\.map|d\.ts)$/,
    /^src\/.+\.ts$/,
    /^drizzle\/\d{4}_[\w-]+\.sql$/,
    /^docs\/[\w.-]+\.(md|json)$/,
    /^ops\/[\w-]+\/(Dockerfile|[\w-]+\.(yml|json|service))$/,
    /^(README\.md|ARCHITECTURE\.md|CHANGELOG\.md|LICENSE|package\.json)$/,
  ]
  expect(packed.files.filter((file) => !expected.some((pattern) => pattern.test(file)))).toEqual([])
  for (const pattern of expected) expect(packed.files.filter((file) => pattern.test(file))).not.toEqual([])
})

it('has each file of the source compiled, and nothing compiled without its source', () => {
  const modules = (pattern: RegExp) =>
    packed.files.flatMap((file) => pattern.exec(file)?.groups?.module ?? []).sort()
  const source = modules(/^src\/(?<module>.+)\.ts$/)
  expect(modules(/^dist\/(?<module>.+)\.js$/)).toEqual(source)
  expect(modules(/^dist\/(?<module>.+)\.d\.ts$/)).toEqual(source)
  expect(modules(/^dist\/(?<module>.+)\.js\.map$/)).toEqual(source)
})

it('has the source that each map names', async () => {
  const maps = packed.files.filter((file) => file.endsWith('.js.map'))
  const named = await Promise.all(
    maps.map(async (map) => {
      const { sources } = JSON.parse(await readFile(join(packed.folder, map), 'utf8'))
      return (sources as string[]).map((source) => join(map, '..', source))
    }),
  )
  expect(named.flat().filter((source) => !packed.files.includes(source))).toEqual([])
  expect(named).toHaveLength(maps.length)
})

it('installs the same with --ignore-scripts', () => {
  const ofInstallation = /^(pre|post)?(install|prepare)$/
  expect(Object.keys(packed.manifest.scripts).filter((name) => ofInstallation.test(name))).toEqual([])
  expect(packed.files).not.toContain('binding.gyp') // npm would run node-gyp
})

it.each(drizzleLines)('lets npm install it beside Drizzle %s', async (line) => {
  const dependencies = { 'drizzle-outbox': '*', 'drizzle-orm': '*' }
  const manifest = { name: 'consumer', private: true, type: 'module', dependencies }
  const files = { 'package.json': JSON.stringify(manifest) }
  const consumer = await createConsumer(packed, { drizzle: line, files })
  try {
    const { stdout } = await run('npm', ['ls', 'drizzle-orm', '--json'], { cwd: consumer.folder }).catch(
      (error) => error,
    )
    // It also sees the links, and that the drivers are not among the dependencies.
    const problems: string[] = JSON.parse(stdout).problems ?? []
    const installed = join(consumer.folder, 'node_modules/drizzle-orm')
    expect(stdout).toContain('drizzle-outbox')
    expect(
      problems.filter((problem) => problem.startsWith('invalid') && problem.endsWith(installed)),
    ).toEqual([])
  } finally {
    await consumer.remove()
  }
})

it('asks for the packages that it imports, and for no others', async () => {
  const imported = new Set<string>()
  for (const file of packed.files.filter((file) => /\.(js|d\.ts)$/.test(file))) {
    const text = await readFile(join(packed.folder, file), 'utf8')
    const ofTrying = /createRequire\(import\.meta\.url\)\('([^']+)'\)/g // what may be absent
    for (const [, name] of text.matchAll(ofTrying)) imported.add(packageOf(name!))
    for (const { fileName } of ts.preProcessFile(text, true, true).importedFiles)
      if (!/^(\.|node:)/.test(fileName)) imported.add(packageOf(fileName))
  }
  const { dependencies, peerDependencies } = packed.manifest
  expect([...imported].sort()).toEqual(Object.keys({ ...dependencies, ...peerDependencies }).sort())
})

function packageOf(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/')
}

it('links from its papers to files that there are', async () => {
  for (const paper of packed.files.filter((file) => /^(docs\/.+|README|CHANGELOG)\.md$/.test(file))) {
    const text = await readFile(join(packed.folder, paper), 'utf8')
    for (const [, path] of text.matchAll(/\]\((?!https?:|#)([^)#\s]+)/g))
      await expect(
        access(join(repository, dirname(paper), path!)),
        `${paper} links to ${path}`,
      ).resolves.toBeUndefined()
  }
})

it('has types that are right where Node.js and bundlers resolve ESM', async () => {
  // The profile leaves out what an ESM-only package cannot have: the resolution of Node.js 10, which knows no `exports`
  // (TypeScript has dropped it too), and `require` from CommonJS, where attw knows only Node.js without require(esm).
  // That our modules can be required all the same is shown in exports.test.ts. No rule is ignored.
  const attw = fileURLToPath(
    new URL('dist/index.js', import.meta.resolve('@arethetypeswrong/cli/package.json')),
  )
  const args = [attw, packed.tarball, '--profile', 'esm-only', '--no-definitely-typed', '--no-emoji']
  const result = await run(process.execPath, [...args, '--format', 'ascii']).catch((error) => error)
  expect(result.code, result.stdout).toBeUndefined()
})

it('satisfies publint to the letter', async () => {
  const { messages } = await publint({ pkgDir: packed.folder, pack: false, strict: true })
  expect(messages).toEqual([])
})
