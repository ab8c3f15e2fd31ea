/** NATS servers of a test file's own, which it may kill. */
import { afterAll, beforeAll, describe, it } from 'vitest'
import { findNatsServer, howToGetNats, type NatsServer, startNats } from '../../dev/servers/index.js'

const binary = await findNatsServer()

/** For tests that start their own. Where no nats-server can be had they are skipped, and on CI they fail. */
export function describeWithNatsServer(name: string, tests: () => void): void {
  if (binary === undefined && process.env.CI) {
    it(`${name}: needs a NATS server`, () => {
      throw new Error(howToGetNats)
    })
    return
  }
  describe.skipIf(binary === undefined)(name, tests)
}

/** The same with one that is started for them. `nats()` is for use in a test. */
export function describeWithPrivateNats(name: string, tests: (nats: () => NatsServer) => void): void {
  describeWithNatsServer(name, () => {
    let server: NatsServer | undefined
    beforeAll(async () => {
      server = await startNats({ binary: binary! })
    })
    afterAll(() => server?.stop())
    tests(() => server!)
  })
}
