/** A relay that the server does not let in. */
import type { ConnectionOptions } from '@nats-io/transport-node'
import type { NatsOptions } from '../../dev/servers/index.js'
import type { Cause } from './causes.js'

/** The server says why it hangs up on a newcomer, but the client then waits until it gives up, and tells nobody. */
export const UNHEARD = /cannot connect to NATS: no connection within 400 ms; the server's log may say why$/

/** The relay's function connects in the wrong way, from the start until it is given the right one. */
export function letIn({ cause, server, wrong, right, operator, secrets = [] }: WrongLogin): Cause {
  let login = wrong
  return {
    cause,
    fromTheStart: true,
    given: { server, admin: right, login: () => login },
    provoke: async () => () => {
      login = right
    },
    class: 'unavailable',
    relay: 'waits',
    operator: operator ?? /cannot connect to NATS: Authorization Violation$/,
    secrets,
  }
}

interface WrongLogin extends Pick<Cause, 'cause' | 'secrets'> {
  readonly server: NatsOptions
  readonly wrong: ConnectionOptions
  readonly right: ConnectionOptions
  readonly operator?: RegExp
}
