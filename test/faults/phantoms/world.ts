/** A PostgreSQL of our own with a proxy before it, and the ways to strike at a backend of it. */
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { type PostgresServer, startPostgres } from '../../../dev/servers/index.js'
import { PostgresProxy } from '../../support/postgres-proxy.js'

export const blows = ['terminate', 'cut', 'crash'] as const
/** Its backend is terminated; its connection is reset; another backend is killed, and all of the database with it. */
export type Blow = (typeof blows)[number]

/** A backend as the server knows it. */
export interface Victim {
  readonly pid: number
  readonly port: number
}

export class World {
  readonly #server: PostgresServer
  readonly proxy: PostgresProxy

  private constructor(server: PostgresServer, proxy: PostgresProxy) {
    this.#server = server
    this.proxy = proxy
  }

  static async start(): Promise<World> {
    const server = await startPostgres()
    return new World(server, await PostgresProxy.start(server.port))
  }

  async stop(): Promise<void> {
    await this.proxy.stop()
    await this.#server.stop()
  }

  /** Not through the proxy. */
  get directUrl(): string {
    return this.#server.url
  }

  /** Through the proxy. The server knows whoever connects by this name. */
  urlFor(name: string): string {
    const url = new URL(this.#server.url)
    url.port = String(this.proxy.port)
    url.searchParams.set('application_name', name)
    return url.href
  }

  /** A session that nothing but a crash strikes. */
  async openSession(): Promise<pg.Client> {
    const session = new pg.Client({ connectionString: this.directUrl })
    session.on('error', () => {})
    await session.connect()
    return session
  }

  async aside<T>(use: (session: pg.Client) => Promise<T>): Promise<T> {
    const session = await this.openSession()
    try {
      return await use(session)
    } finally {
      await session.end()
    }
  }

  /** Waits until one of these connections is as the condition says, on a row of pg_stat_activity. */
  findVictim(name: string, condition: string): Promise<Victim> {
    const deadline = performance.now() + 5000
    return this.aside(async (session) => {
      for (;;) {
        if (performance.now() > deadline) throw new Error(`no connection of ${name} where ${condition}`)
        const { rows } = await session.query<Victim>(
          `select pid, client_port as port from pg_stat_activity where application_name = $1 and ${condition}`,
          [name],
        )
        if (rows[0] !== undefined) return rows[0]
        await sleep(2)
      }
    })
  }

  async strike(blow: Blow, { pid, port }: Victim): Promise<void> {
    if (blow === 'cut') this.proxy.cut(port)
    else if (blow === 'terminate') await this.terminate(pid)
    else await this.#crash()
  }

  async terminate(pid: number): Promise<void> {
    await this.aside(async (session) => {
      await session.query('select pg_terminate_backend($1)', [pid])
      for (;;) {
        const { rowCount } = await session.query('select from pg_stat_activity where pid = $1', [pid])
        if (rowCount === 0) return
        await sleep(2)
      }
    })
  }

  /** Ends every backend of that name, once it has had `graceMs` to end by itself. */
  async endAll(name: string, graceMs: number): Promise<void> {
    const deadline = performance.now() + graceMs
    await this.aside(async (session) => {
      for (;;) {
        const { rows } = await session.query<Victim>(
          `select pid from pg_stat_activity where application_name = $1 and state <> 'idle'`,
          [name],
        )
        if (rows.length === 0) return
        if (performance.now() > deadline) for (const { pid } of rows) await this.terminate(pid)
        await sleep(2)
      }
    })
  }

  async #crash(): Promise<void> {
    const [other, witness] = [await this.openSession(), await this.openSession()]
    const { rows } = await other.query<{ pid: number }>('select pg_backend_pid() as pid')
    const ended = new Promise((resolve) => witness.once('end', resolve))
    process.kill(rows[0]!.pid, 'SIGKILL')
    await ended // with all others, when the server has noticed
    for (;;) {
      try {
        return await this.aside(async () => {})
      } catch {
        await sleep(10)
      }
    }
  }
}
