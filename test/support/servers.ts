/** The servers that all test files share. */
import { describe, inject, it } from 'vitest'
import { createDatabase, type Database, howToGetNats } from '../../dev/servers/index.js'

/** An empty database on the shared server. */
export function freshDatabase(): Promise<Database> {
  return createDatabase(inject('databaseUrl'))
}

/** Tests that need a NATS server. Where none can be had they are skipped, and on CI they fail. */
export function describeWithNats(name: string, tests: (natsUrl: string) => void): void {
  const url = inject('natsUrl')
  if (url !== undefined) describe(name, () => tests(url))
  else if (!process.env.CI) describe.skip(name, () => tests('nats://none'))
  else {
    it(`${name}: needs a NATS server`, () => {
      throw new Error(howToGetNats)
    })
  }
}
