/** The server does not let the relay in: passwords, tokens, keys, credentials, and how many there are already. */
import { setTimeout as sleep } from 'node:timers/promises'
import { inspect } from 'node:util'
import {
  type ConnectionOptions,
  connect,
  credsAuthenticator,
  nkeyAuthenticator,
} from '@nats-io/transport-node'
import { jetStreamPublisher } from 'drizzle-outbox/jetstream'
import { expect, it } from 'vitest'
import type { NatsOptions } from '../../../dev/servers/index.js'
import { openBrokerWorld } from '../../support/broker-world.js'
import { type Cause, itReactsTo } from '../../support/causes.js'
import { createNkeyUser, NatsOperator } from '../../support/nats-credentials.js'
import { describeWithNatsServer } from '../../support/private-nats.js'
import { letIn, UNHEARD } from '../../support/wrong-login.js'

const right = { user: 'relay', pass: 'right-secret' }
const password = (pass: string) => `authorization { user: relay, password: ${pass} }`
const nkey = (seed: Uint8Array) => ({ authenticator: nkeyAuthenticator(seed) })
const credentials = (text: string) => ({ authenticator: credsAuthenticator(new TextEncoder().encode(text)) })
const seedOf = ({ seed }: { seed: Uint8Array }) => new TextDecoder().decode(seed)
/** The token and the seed. */
const secretsOf = (text: string) => text.split('\n').filter((line) => /^[\w.-]{50,}$/.test(line))

describeWithNatsServer('a relay that is not let in', () => {
  const operator = new NatsOperator()
  const foreign = new NatsOperator().credentials()
  const [user, stranger] = [createNkeyUser(), createNkeyUser()]

  itReactsTo([
    letIn({
      cause: 'the password is wrong',
      server: { config: password(right.pass) },
      wrong: { ...right, pass: 'wrong-secret' },
      right,
      secrets: ['wrong-secret', right.pass],
    }),
    letIn({
      cause: 'the token is wrong',
      server: { config: 'authorization { token: right-token }' },
      wrong: { token: 'wrong-token' },
      right: { token: 'right-token' },
      secrets: ['wrong-token', 'right-token'],
    }),
    letIn({
      cause: 'the nkey is not known',
      server: { config: `authorization { users: [{ nkey: ${user.publicKey} }] }` },
      wrong: nkey(stranger.seed),
      right: nkey(user.seed),
      secrets: [seedOf(stranger), seedOf(user)],
    }),
    letIn({
      cause: 'the credentials are those of another operator',
      server: { config: operator.config() },
      wrong: credentials(foreign),
      right: credentials(operator.credentials()),
      secrets: secretsOf(foreign),
    }),
    {
      cause: 'the password is changed',
      given: { server: { config: password(right.pass) }, admin: right, login: () => right },
      provoke: async ({ nats }) => {
        await nats.reload(password('another-secret'))
        return () => nats.reload(password(right.pass))
      },
      class: 'unavailable',
      relay: 'waits',
      operator: /cannot connect to NATS: Authorization Violation$/,
      secrets: [right.pass],
    },
    expiring(operator),
    crowded('the server has as many connections as it may have', { config: 'max_connections: 2' }),
    crowded(
      'the account has as many connections as it may have',
      { config: operator.config({ conn: 2 }) },
      credentials(operator.credentials()),
    ),
  ])

  it('says why the connection that it was given is closed for good', async () => {
    const world = await openBrokerWorld({
      server: { config: password(right.pass) },
      admin: right,
      login: () => right,
      ownConnection: true,
    })
    try {
      await world.relay.start()
      await world.nats.reload(password('another-secret'))
      await world.record()
      await expect
        .poll(() => [...world.told])
        .toContain(
          'ERR_OUTBOX_UNAVAILABLE: the connection to NATS is closed for good: Authorization Violation; give a function, which can connect again',
        )
    } finally {
      await world.close()
    }
  })
})

it.each([
  ['an address that cannot be read', 'nats://relay:se cret@ nowhere.invalid:4222', 'Invalid URL'],
  ['a function that repeats it', 'nats://relay:s3cret@nowhere.invalid:4222', 'nowhere.invalid'],
])('does not tell the password in %s', async (_, servers, reason) => {
  const publisher = jetStreamPublisher({
    connection: () =>
      connect({ servers }).catch((error) => {
        throw new Error(`cannot connect to ${servers}`, { cause: error })
      }),
    stream: { name: 'SHOP' },
  })
  const prepared = publisher.prepare({ leaseMs: 15_000, signal: new AbortController().signal })
  const error = await prepared.catch((thrown) => thrown)
  expect(error).toMatchObject({ code: 'ERR_OUTBOX_UNAVAILABLE' })
  expect(error.message).toContain(reason)
  expect(inspect(error, { depth: 10 })).not.toMatch(/s3cret|cret@/)
})

/** They hold until the relay has published for a while. */
function expiring(operator: NatsOperator): Cause {
  const [lasting, secrets]: [ConnectionOptions, string[]] = [credentials(operator.credentials()), []]
  let login: ConnectionOptions | undefined
  return {
    cause: 'the credentials expire',
    given: {
      server: { config: operator.config() },
      admin: lasting,
      login: () => {
        if (login !== undefined) return login
        const short = operator.credentials(2)
        secrets.push(...secretsOf(short))
        login = credentials(short)
        return login
      },
    },
    provoke: async () => {
      await sleep(2500)
      return () => {
        login = lasting
      }
    },
    class: 'unavailable',
    relay: 'waits',
    operator: /cannot connect to NATS: (User Authentication Expired|Authorization Violation)$/i,
    secrets,
  }
}

/** Others have all the connections that there may be. */
function crowded(cause: string, server: NatsOptions, login: ConnectionOptions = {}): Cause {
  return {
    cause,
    fromTheStart: true,
    given: { server, admin: login, login: () => ({ ...login, timeout: 1000 }) },
    provoke: async ({ nats }) => {
      const others = await Promise.all([1, 2].map(() => connect({ servers: nats.url, ...login })))
      return () => Promise.all(others.map((other) => other.close()))
    },
    class: 'unavailable',
    relay: 'waits',
    operator: UNHEARD,
  }
}
