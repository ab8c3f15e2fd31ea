import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { defineConfig, type TestProjectInlineConfiguration } from 'vitest/config'

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url))

interface Alias {
  readonly find: RegExp
  readonly replacement: string
}

// As in `paths` of tsconfig.json.
const outbox: Alias[] = [
  { find: /^drizzle-outbox$/, replacement: path('src/index.ts') },
  { find: /^drizzle-outbox\/events$/, replacement: path('src/events/index.ts') },
  { find: /^drizzle-outbox\/schema$/, replacement: path('src/event-log/schema.ts') },
  { find: /^drizzle-outbox\/jetstream$/, replacement: path('src/publishers/jetstream/index.ts') },
  { find: /^drizzle-outbox\/prometheus$/, replacement: path('src/observability/prometheus/index.ts') },
  { find: /^drizzle-outbox\/config$/, replacement: path('src/config/index.ts') },
  { find: /^drizzle-outbox\/testing$/, replacement: path('src/testing/index.ts') },
]

/** Our sources and tests with another Drizzle. */
const drizzle1: Alias = {
  find: /^drizzle-orm(?=\/|$)/,
  replacement: path('test/drizzle-1/node_modules/drizzle-orm'),
}

function project(
  name: string,
  drizzleVersion: string,
  alias: Alias[],
  files: { include: string[]; exclude?: string[] },
): TestProjectInlineConfiguration {
  return {
    resolve: { alias },
    test: {
      name,
      ...files,
      env: { OUTBOX_TEST_DRIZZLE: drizzleVersion },
      testTimeout: 60_000,
      hookTimeout: 60_000,
      // Of a second, by default: a busy machine is no failure.
      expect: { poll: { timeout: 30_000, interval: 20 } },
      pool: 'forks',
      execArgv: ['--import', new URL('dev/die-with-parent.mjs', import.meta.url).href],
    },
  }
}

/** Transactions, what Drizzle hides of drivers, and what it does with values: these meet Drizzle itself. */
const meetDrizzle = [
  ...['after-commit', 'commit-unknown', 'drizzle', 'ended-transactions', 'errors-of-transactions'],
  ...['failed-begin', 'fence', 'lost-connections', 'pgbouncer', 'prepared-flush', 'retry-recipe'],
  ...['round-trip', 'savepoints', 'tables', 'transaction', 'zombies'],
].join()

export default defineConfig({
  test: {
    // Here and not in the projects, for which it would run once each.
    globalSetup: ['test/global-setup.ts'],
    reporters: ['default'],
    // They wait more than they compute. The default is one less than there are cores: on a machine of CI that is one.
    maxWorkers: Math.max(3, availableParallelism()),
    projects: [
      project('drizzle-0.45', '0.45', outbox, {
        include: ['test/**/*.test.ts'],
        // Minutes of campaigns, one for each bug: OUTBOX_TEST_BUGS=1 has them run.
        exclude: [
          '**/node_modules/**',
          ...(process.env.OUTBOX_TEST_BUGS ? [] : ['test/faults/seeded-bugs.test.ts']),
        ],
      }),
      project('drizzle-1', '1.0', [...outbox, drizzle1], {
        include: [`test/integration/{${meetDrizzle}}.test.ts`, 'test/faults/{phantoms,savepoints}.test.ts'],
      }),
    ],
  },
})
