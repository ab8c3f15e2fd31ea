/** The ways into the package: each leads where it says, and takes along no more than it needs. */
import { readFile } from 'node:fs/promises'
import { builtinModules } from 'node:module'
import { join, posix } from 'node:path'
import { gzipSync } from 'node:zlib'
import * as esbuild from 'esbuild'
import ts from 'typescript'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Consumer, createConsumer } from './consumer.js'
import { type PackedPackage, packPackage } from './packed.js'

let packed: PackedPackage
let consumer: Consumer
beforeAll(async () => {
  packed = await packPackage()
  consumer = await createConsumer(packed, { drizzle: '0.45' })
}, 120_000)
afterAll(() => consumer?.remove())

interface Entry {
  /** As it is imported: `drizzle-outbox/events`. */
  readonly name: string
  readonly types: string
  readonly default: string
}

function entries(): Entry[] {
  return Object.entries(packed.manifest.exports).flatMap(([path, target]) =>
    typeof target === 'string' ? [] : { name: posix.join('drizzle-outbox', path), ...target },
  )
}

describe('every path in exports', () => {
  it('names files of the package, for its types and for everything else', () => {
    // `types` and `default`, in this order: `import` alone would shut out drizzle-kit 0.31, which requires.
    for (const [path, target] of Object.entries(packed.manifest.exports)) {
      if (path === './package.json') expect(target).toBe('./package.json')
      else expect(Object.keys(target), path).toEqual(['types', 'default'])
    }
    const targets = entries().flatMap((entry) => [entry.types, entry.default])
    expect(targets.filter((path) => !packed.files.includes(posix.normalize(path)))).toEqual([])
  })

  it('has an index.ts or a reason, and every index.ts has a path', () => {
    const indexes = packed.files.filter((file) => /^src\/(.+\/)?index\.ts$/.test(file))
    const others = ['src/event-log/schema.ts'] // drizzle-kit reads it alone
    const sources = entries().map((entry) => entry.default.replace('./dist/', 'src/').replace(/\.js$/, '.ts'))
    expect(sources.sort()).toEqual([...indexes, ...others].sort())
  })

  it('exports at run time what its types say, no more and no less', async () => {
    const declared = declaredValues(entries())
    const exported = await exportedNames(entries().map((entry) => entry.name))
    expect(exported).toEqual(declared)
    for (const names of Object.values(exported)) expect(names).not.toEqual([])
  })

  it('can be required, as drizzle-kit and CommonJS do', async () => {
    const names = entries().map((entry) => entry.name)
    const program = `console.log(JSON.stringify(${JSON.stringify(names)}.filter((name) => !require(name))))`
    expect(
      JSON.parse(await consumer.node(['--input-type=commonjs', '--no-warnings', '-e', program])),
    ).toEqual([])
  })

  it('lets nobody in beside', async () => {
    const program = `await import('drizzle-outbox/dist/index.js')`
    await expect(consumer.node(['--input-type=module', '-e', program])).rejects.toThrow(
      'ERR_PACKAGE_PATH_NOT_EXPORTED',
    )
  })
})

async function exportedNames(names: readonly string[]): Promise<Record<string, string[]>> {
  const program = `
    const names = ${JSON.stringify(names)}
    const exported = await Promise.all(names.map(async (name) => [name, Object.keys(await import(name)).sort()]))
    console.log(JSON.stringify(Object.fromEntries(exported)))`
  return JSON.parse(await consumer.node(['--input-type=module', '-e', program]))
}

/** Names that the declarations export as values: what is left when types are erased. */
function declaredValues(paths: readonly Entry[]): Record<string, string[]> {
  const fileOf = (entry: Entry) => join(consumer.folder, 'node_modules/drizzle-outbox', entry.types)
  const options = { module: ts.ModuleKind.NodeNext, noLib: true, types: [] }
  const program = ts.createProgram(paths.map(fileOf), options)
  const checker = program.getTypeChecker()
  const isValue = (symbol: ts.Symbol) => {
    const isAlias = (symbol.flags & ts.SymbolFlags.Alias) !== 0
    if (isAlias && symbol.declarations?.some(ts.isTypeOnlyImportOrExportDeclaration)) return false
    const target = isAlias ? checker.getAliasedSymbol(symbol) : symbol
    return (target.flags & ts.SymbolFlags.Value) !== 0
  }
  return Object.fromEntries(
    paths.map((entry) => {
      const module = checker.getSymbolAtLocation(program.getSourceFile(fileOf(entry))!)
      const values = checker.getExportsOfModule(module!).filter(isValue)
      return [entry.name, values.map(({ name }) => name).sort()]
    }),
  )
}

describe('drizzle-outbox/events', () => {
  it('knows nothing but Node.js at run time', async () => {
    const { reached, imports } = await bundle(`export * from 'drizzle-outbox/events'`, { external: [] })
    expect(
      reached.filter((module) => !/^dist\/(events\/.+|errors|foreign-errors)\.js$/.test(module)),
    ).toEqual([])
    expect(imports.filter((path) => !builtinModules.includes(path.replace('node:', '')))).toEqual([])
  })

  it('knows nothing but Standard Schema in its types', async () => {
    const packages = new Set<string>()
    const files = new Set(['dist/events/index.d.ts'])
    for (const file of files) {
      const text = await readFile(join(packed.folder, file), 'utf8')
      for (const { fileName } of ts.preProcessFile(text).importedFiles)
        if (fileName.startsWith('.')) files.add(posix.join(file, '..', fileName.replace(/\.js$/, '.d.ts')))
        else packages.add(fileName)
    }
    expect([...packages]).toEqual(['@standard-schema/spec'])
    expect(
      [...files].filter((file) => !/^dist\/(events\/.+|errors|foreign-errors)\.d\.ts$/.test(file)),
    ).toEqual([])
  })
})

describe('drizzle-outbox/testing', () => {
  it('knows no broker and no test runner', async () => {
    const { imports } = await bundle(`export * from 'drizzle-outbox/testing'`)
    const packages = imports.filter((path) => !builtinModules.includes(path.replace('node:', '')))
    expect(packages.filter((path) => !path.startsWith('drizzle-orm'))).toEqual([])
  })
})

describe('what an application bundles', () => {
  it('is without the relay, the migrations and the publishers when it only writes events', async () => {
    const { modules, size } = await bundle(
      `import { AggregateRoot, defineEvents, withOutbox } from 'drizzle-outbox'
       console.log(AggregateRoot, defineEvents, withOutbox)`,
    )
    console.log(`withOutbox, defineEvents and AggregateRoot: ${size}`)
    const unwanted = /^dist\/(relay|publishers|cloudevents|testing)\/|\/(migrate|log-reader|relay-row)\.js$/
    expect(modules.filter((module) => unwanted.test(module))).toEqual([])
    expect(modules).toContain('dist/transaction/with-outbox.js')
  })

  it('is without the log and transactions when it only reads events', async () => {
    const { modules, size } = await bundle(
      `import { decodeEvent, defineEvents } from 'drizzle-outbox/events'
       console.log(decodeEvent, defineEvents)`,
    )
    console.log(`drizzle-outbox/events: ${size}`)
    expect(
      modules.filter((module) => !/^dist\/(events\/.+|errors|foreign-errors)\.js$/.test(module)),
    ).toEqual([])
    expect(modules).toContain('dist/events/define-events.js')
  })

  it('has everything when it wants everything', async () => {
    const { modules, size } = await bundle(
      `import * as outbox from 'drizzle-outbox'
       import { jetStreamPublisher } from 'drizzle-outbox/jetstream'
       console.log(outbox, jetStreamPublisher)`,
    )
    console.log(`everything, with jetStreamPublisher: ${size}`)
    expect(modules).toContain('dist/relay/relay.js')
  })

  it('can be bundled where postgres.js is not installed', async () => {
    const { folder, remove } = await createConsumer(packed, {})
    try {
      const external = otherPackages().filter((name) => !name.startsWith('postgres'))
      const { modules } = await bundle(`export * from 'drizzle-outbox'`, { folder, external })
      expect(modules).toContain('dist/transaction/drivers/postgres-js-listen.js')
    } finally {
      await remove()
    }
  })
})

/**
 * `modules` of ours of which something is in the bundle, all files that were `reached` on the way there, what is left to
 * import, and the size without other packages.
 */
async function bundle(program: string, { folder = consumer.folder, external = otherPackages() } = {}) {
  const result = await esbuild.build({
    stdin: { contents: program, resolveDir: folder },
    absWorkingDir: join(folder, 'node_modules/drizzle-outbox'),
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    write: false,
    metafile: true,
    external,
  })
  const [output] = Object.values(result.metafile.outputs)
  const { contents } = result.outputFiles[0]!
  return {
    reached: Object.keys(result.metafile.inputs).filter((path) => path !== '<stdin>'),
    modules: Object.entries(output!.inputs).flatMap(([path, { bytesInOutput }]) =>
      path === '<stdin>' || bytesInOutput === 0 ? [] : path,
    ),
    imports: output!.imports.map(({ path }) => path),
    size: `${contents.length} bytes minified, ${gzipSync(contents).length} with gzip`,
  }
}

function otherPackages(): string[] {
  const { dependencies, peerDependencies } = packed.manifest
  return Object.keys({ ...dependencies, ...peerDependencies }).flatMap((name) => [name, `${name}/*`])
}
