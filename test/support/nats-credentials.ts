/** Keys and signed claims for NATS, made on the spot: what `nsc` writes to files. */
import { randomUUID } from 'node:crypto'
import { nkeys } from '@nats-io/transport-node'

type KeyPair = ReturnType<typeof nkeys.createUser>

/** A user who proves who he is by a key. */
export function createNkeyUser(): { readonly publicKey: string; readonly seed: Uint8Array } {
  const pair = nkeys.createUser()
  return { publicKey: pair.getPublicKey(), seed: pair.getSeed() }
}

/** An operator with an account, whose users log in with credentials that the account has signed. */
export class NatsOperator {
  readonly #operator = nkeys.createOperator()
  readonly #account = nkeys.createAccount()
  /** The server's own, without which it has no JetStream. */
  readonly #system = nkeys.createAccount()

  /** For a server that knows this operator and its accounts. `limits` are those of the account. */
  config(limits: { readonly conn?: number } = {}): string {
    const operator = { sub: this.#operator.getPublicKey(), nats: { type: 'operator' } }
    const [account, system] = [this.#account.getPublicKey(), this.#system.getPublicKey()]
    const claims = (sub: string, storage: number) => {
      const all = { ...accountLimits, mem_storage: storage, disk_storage: storage, ...limits }
      return sign(this.#operator, { sub, nats: { type: 'account', limits: all } })
    }
    return `
      operator: ${sign(this.#operator, operator)}
      system_account: ${system}
      resolver: MEMORY
      resolver_preload: { ${account}: ${claims(account, -1)}, ${system}: ${claims(system, 0)} }`
  }

  /** The text of a credentials file. They hold for so long, or for ever. */
  credentials(lifetimeSeconds?: number): string {
    const user = nkeys.createUser()
    const until =
      lifetimeSeconds === undefined ? {} : { exp: Math.floor(Date.now() / 1000) + lifetimeSeconds }
    const jwt = sign(this.#account, { sub: user.getPublicKey(), nats: userClaims, ...until })
    const seed = new TextDecoder().decode(user.getSeed())
    return [
      '-----BEGIN NATS USER JWT-----',
      jwt,
      '------END NATS USER JWT------',
      '-----BEGIN USER NKEY SEED-----',
      seed,
      '------END USER NKEY SEED------',
      '',
    ].join('\n')
  }
}

const unlimited = { subs: -1, data: -1, payload: -1 }
const userClaims = { type: 'user', pub: {}, sub: {}, ...unlimited }
const accountLimits = {
  ...unlimited,
  imports: -1,
  exports: -1,
  wildcards: true,
  conn: -1,
  leaf: -1,
  streams: -1,
  consumer: -1,
}

/** Claims as NATS has them: a JSON Web Token, signed by Ed25519 under a name of its own. */
function sign(issuer: KeyPair, { nats, ...claims }: { sub: string; nats: object; exp?: number }): string {
  const body = {
    jti: randomUUID(),
    iat: Math.floor(Date.now() / 1000),
    iss: issuer.getPublicKey(),
    name: claims.sub,
    ...claims,
    nats: { ...nats, version: 2 },
  }
  const text = [{ typ: 'JWT', alg: 'ed25519-nkey' }, body]
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .join('.')
  return `${text}.${Buffer.from(issuer.sign(new TextEncoder().encode(text))).toString('base64url')}`
}
