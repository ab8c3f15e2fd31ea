/** The packed types in applications of our users: what is right compiles, and what is wrong is refused in plain words. */
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { beforeAll, describe, expect, it } from 'vitest'
import { createConsumer, type DrizzleLine, drizzleLines, runTypeScript } from './consumer.js'
import { type PackedPackage, packPackage } from './packed.js'

interface Problem {
  readonly file: string
  readonly line: number
  readonly message: string
}

/** What the compiler says of a project: the files of the project and of our package, and the problems in them. */
interface Compiled {
  readonly files: readonly string[]
  readonly problems: readonly Problem[]
}

const strict = {
  ...{
    target: 'ES2023',
    lib: ['ES2023', 'ESNext.Disposable'],
    module: 'NodeNext',
    types: ['node'],
    noEmit: true,
  },
  ...{ strict: true, exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true },
  ...{ noImplicitOverride: true, noImplicitReturns: true },
  ...{ verbatimModuleSyntax: true, isolatedModules: true },
}

/** Kinds of projects. `declaration` makes the compiler name every type that is inferred. */
const projects = {
  'Node.js, as strict as can be': {
    config: 'node',
    compilerOptions: { ...strict, declaration: true },
    exclude: ['without-drizzle.ts'],
  },
  'a bundler': {
    config: 'bundler',
    compilerOptions: {
      ...{ target: 'ES2022', lib: ['ES2022', 'ESNext.Disposable', 'DOM'], types: [], noEmit: true },
      ...{ module: 'ESNext', moduleResolution: 'bundler', strict: true, declaration: true },
    },
    exclude: ['without-drizzle.ts'],
  },
  'isolated declarations': {
    config: 'isolated',
    compilerOptions: {
      ...{ ...strict, declaration: true, isolatedDeclarations: true, erasableSyntaxOnly: true },
      ...{ noUnusedLocals: true, noUnusedParameters: true, noPropertyAccessFromIndexSignature: true },
    },
    include: ['isolated-declarations.ts'],
  },
}
type Project = keyof typeof projects

const fixtures = fileURLToPath(new URL('./fixtures/', import.meta.url))

/** Everything but what is written for the other line. */
function fixturesFor(line: DrizzleLine): string[] {
  return readdirSync(fixtures).filter(
    (name) => name.endsWith('.ts') && (!name.startsWith('relations-') || name === `relations-${line}.ts`),
  )
}

let packed: PackedPackage
let compiled: Record<DrizzleLine, Record<string, Compiled>>
beforeAll(async () => {
  packed = await packPackage()
  const [before, coming] = await Promise.all(drizzleLines.map(compileFor))
  compiled = { '0.45': before!, '1.0': coming! }
}, 180_000)

async function compileFor(line: DrizzleLine): Promise<Record<string, Compiled>> {
  const files = Object.values(projects).map(({ config, ...rest }) => [
    `tsconfig.${config}.json`,
    JSON.stringify({ include: ['*.ts'], ...rest }),
  ])
  const consumer = await createConsumer(packed, {
    drizzle: line,
    fixtures: fixturesFor(line),
    files: Object.fromEntries(files),
  })
  try {
    return await compile(consumer)
  } finally {
    await consumer.remove()
  }
}

async function compile(
  consumer: Awaited<ReturnType<typeof createConsumer>>,
): Promise<Record<string, Compiled>> {
  const compiler = fileURLToPath(new URL('./compile-projects.mjs', import.meta.url))
  return JSON.parse(await consumer.node([compiler, consumer.folder]))
}

describe.each(drizzleLines)('with Drizzle %s', (line) => {
  const result = (project: Project) => compiled[line][projects[project].config]!

  describe.each(Object.keys(projects) as Project[])('%s', (project) => {
    it('compiles every use', () => {
      const { files, problems } = result(project)
      expect(problems.filter(({ file }) => file !== 'mistakes.ts')).toEqual([])
      const { include } = { include: fixturesFor(line), ...projects[project] }
      const expected = include.filter((name) => name !== 'without-drizzle.ts')
      expect(files.filter((name) => !name.startsWith('node_modules/')).sort()).toEqual(expected.sort())
    })

    it('compiles of our source only the tables', () => {
      const source = result(project).files.filter((name) => /^node_modules\/.+(?<!\.d)\.ts$/.test(name))
      expect(source).toEqual(['node_modules/drizzle-outbox/src/event-log/schema.ts'])
    })
  })

  describe.each(['Node.js, as strict as can be', 'a bundler'] as const)('%s: refuses', (project) => {
    it.each(mistakes())('$mistake', ({ from, to, expected }) => {
      const messages = result(project)
        .problems.filter(({ file, line }) => file === 'mistakes.ts' && line >= from && line < to)
        .map(({ message }) => message)
      expect(messages).toHaveLength(1)
      for (const part of expected) expect(messages[0]).toContain(part)
      expect(messages[0]!.length).toBeLessThan(A_WALL_OF_TEXT)
    })

    it('nothing else', () => {
      const covered = (at: number) => mistakes().some(({ from, to }) => at >= from && at < to)
      const { problems } = result(project)
      expect(problems.filter(({ file, line }) => file === 'mistakes.ts' && !covered(line))).toEqual([])
    })
  })
})

/** Nobody reads more. Drizzle's own messages about a row of a table are nearly so long. */
const A_WALL_OF_TEXT = 2500

/** The paragraphs of `fixtures/mistakes.ts`, each with its lines, and what the compiler has to say of it. */
function mistakes() {
  const text = readFileSync(`${fixtures}mistakes.ts`, 'utf8')
  let from = 1
  return text.split(/\n\n/).flatMap((paragraph) => {
    const to = from + paragraph.split('\n').length
    const [, mistake = ''] = /^\/\/ (.+)\n\/\/ → /.exec(paragraph) ?? []
    const expected = [...paragraph.matchAll(/^\/\/ → (.+)$/gm)].map(([, part]) => part!)
    const found = expected.length === 0 ? [] : [{ mistake, from, to, expected }]
    from = to + 1
    return found
  })
}

describe('without Drizzle', () => {
  it('drizzle-outbox/events compiles and runs', async () => {
    const consumer = await createConsumer(packed, {
      fixtures: ['without-drizzle.ts'],
      files: {
        'tsconfig.node.json': JSON.stringify({
          compilerOptions: { ...strict, declaration: true },
          include: ['*.ts'],
        }),
      },
    })
    try {
      const { node } = await compile(consumer)
      expect(node?.problems).toEqual([])
      expect(node?.files).toContain('node_modules/drizzle-outbox/dist/events/index.d.ts')
      const output = await consumer.node([...runTypeScript, 'without-drizzle.ts'])
      expect(output.split('\n')).toEqual(['EUR', 'com.acme.payment.captured', 'ERR_OUTBOX_EVENT_UNKNOWN', ''])
    } finally {
      await consumer.remove()
    }
  })
})
