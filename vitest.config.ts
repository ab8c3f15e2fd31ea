import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url))

export default defineConfig({
  resolve: {
    // As in `paths` of tsconfig.json.
    alias: [
      { find: /^drizzle-outbox$/, replacement: path('src/index.ts') },
      { find: /^drizzle-outbox\/events$/, replacement: path('src/events/index.ts') },
      { find: /^drizzle-outbox\/schema$/, replacement: path('src/event-log/schema.ts') },
      { find: /^drizzle-outbox\/jetstream$/, replacement: path('src/publishers/jetstream/index.ts') },
      { find: /^drizzle-outbox\/testing$/, replacement: path('src/testing/index.ts') },
    ],
  },
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/global-setup.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    pool: 'forks',
    execArgv: ['--import', new URL('dev/die-with-parent.mjs', import.meta.url).href],
    reporters: ['default'],
  },
})
