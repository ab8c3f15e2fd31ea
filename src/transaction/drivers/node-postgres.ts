import { transactionEnded } from '../../errors.js'
import type { BoundStatement } from '../../event-log/statement.js'
import { type Connection, type Driver, UNWATCHED } from './connection.js'
import type { DrizzleDatabase } from './drizzle-database.js'
import { type Client, isClient, isPool } from './node-postgres-client.js'
import { listenByClient } from './node-postgres-listen.js'
import { transactionsOf } from './pool-loans.js'
import { ASK_PROCESS_ID, PoolerDetection } from './pooler.js'

/** node-postgres and its kin: neon-serverless, vercel-postgres. */
export function nodePostgres(database: DrizzleDatabase): Driver | undefined {
  const { $client: client } = database
  if (!isClient(client)) return undefined
  surviveLostConnections(client)
  return {
    transaction: transactionsOf(database),
    watch: ({ session }) => {
      if (session === undefined || !isClient(session.client)) return UNWATCHED
      const connection = new ClientConnection(session.client)
      if (session.client !== client) session.client = new ClientUntilEnd(session.client, connection)
      return connection
    },
    listen: isPool(client) ? listenByClient(client) : undefined,
  }
}

const poolers = new PoolerDetection()

/** The client of a transaction. It stays with its connection and fails with it, so it needs no fence. */
class ClientConnection implements Connection {
  readonly fence = undefined
  readonly #client: Client
  #lost = false
  #left = false
  readonly #lose = () => {
    this.#lost = true
  }

  constructor(client: Client) {
    this.#client = client
    client.on('error', this.#lose)
    client.on('end', this.#lose)
  }

  get lost(): boolean {
    return this.#lost
  }

  async executeBound({ name, text, params: values }: BoundStatement): Promise<unknown> {
    const client = this.#client
    const ask = async () => (await client.query({ text: ASK_PROCESS_ID })).rows[0]?.pid
    if (!(await poolers.isDirect(client, client.processID, ask))) return client.query({ text, values })
    try {
      return await client.query({ name, text, values })
    } catch (error) {
      poolers.distrust(client, client.processID, error)
      throw error
    }
  }

  get left(): boolean {
    return this.#left
  }

  leave(): void {
    this.#left = true
    this.#client.off('error', this.#lose)
    this.#client.off('end', this.#lose)
  }
}

/** What Drizzle uses of a transaction's client. For statements that were prepared in it: they know nothing else. */
class ClientUntilEnd {
  readonly #client: Client
  readonly #connection: ClientConnection

  constructor(client: Client, connection: ClientConnection) {
    this.#client = client
    this.#connection = connection
  }

  query(...args: Parameters<Client['query']>): ReturnType<Client['query']> {
    if (this.#connection.left) throw transactionEnded()
    return this.#client.query(...args)
  }

  release(close?: boolean | Error): void {
    this.#client.release?.(close)
  }
}

/**
 * Keeps a lost connection from ending the process. node-postgres reports it as an `error` event on the client, and
 * Drizzle 0.45 listens to none while a transaction runs; the pool does the same for idle clients. The statement that
 * was running rejects either way.
 */
function surviveLostConnections(client: Client): void {
  if (!listen(client)) return
  // A pool: its connections too, as they are taken, because some may be there already.
  if (isPool(client)) client.on('acquire', (connection) => void listen(connection))
}

/** @returns whether it has got its listener now. */
function listen(client: unknown): boolean {
  if (!isClient(client) || guarded.has(client)) return false
  guarded.add(client)
  client.on('error', ignore)
  return true
}

const guarded = new WeakSet<object>()
const ignore = () => {}
