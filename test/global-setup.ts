/** Starts the servers that all test files share. */
import type { TestProject } from 'vitest/node'
import { howToGetNats, startServers } from '../dev/servers/index.js'

declare module 'vitest' {
  interface ProvidedContext {
    databaseUrl: string
    /** Undefined where no nats-server can be had. */
    natsUrl: string | undefined
  }
}

export default async function startSharedServers({ provide }: TestProject): Promise<() => Promise<void>> {
  const servers = await startServers()
  provide('databaseUrl', servers.databaseUrl)
  provide('natsUrl', servers.natsUrl)
  if (servers.natsUrl === undefined) {
    console.warn(
      `\n!!! NO NATS SERVER: the tests that need one ${process.env.CI ? 'FAIL' : 'are SKIPPED'}. ${howToGetNats}\n`,
    )
  }
  return () => servers.stop()
}
