/** Both servers; `DATABASE_URL` and `NATS_URL` name servers to use instead of starting ours. */
import { type NatsServer, startNats } from './nats.js'
import { findNatsServer } from './nats-binary.js'
import { type PostgresServer, startPostgres } from './postgres.js'

export interface Servers {
  readonly databaseUrl: string
  /** Undefined where no nats-server can be had: see `howToGetNats`. */
  readonly natsUrl: string | undefined
  /** Undefined if `DATABASE_URL` names another server. */
  readonly postgres: PostgresServer | undefined
  /** Undefined if `NATS_URL` names another server, or none can be had. */
  readonly nats: NatsServer | undefined
  /** Ends what was started here. Again: does nothing. */
  stop(): Promise<void>
  /** Lets what was started here outlive this process; returns the command that stops and removes it. */
  keep(): Promise<string>
}

export async function startServers(): Promise<Servers> {
  const { DATABASE_URL, NATS_URL } = process.env
  const [postgres, nats] = await both(
    DATABASE_URL ? undefined : startPostgres(),
    NATS_URL ? undefined : startNatsIfThereIsOne(),
  )
  const started = [postgres, nats].filter((server) => server !== undefined)
  return {
    databaseUrl: DATABASE_URL || postgres!.url,
    natsUrl: NATS_URL || nats?.url,
    postgres,
    nats,
    stop: async () => {
      await Promise.all(started.map((server) => server.stop()))
    },
    keep: async () => {
      const commands = await Promise.all(started.map((server) => server.keep()))
      return commands.join(' && ')
    },
  }
}

async function startNatsIfThereIsOne(): Promise<NatsServer | undefined> {
  const binary = await findNatsServer()
  return binary ? startNats({ binary }) : undefined
}

/** If one fails to start, the other one is stopped. */
async function both(
  ...starting: [Promise<PostgresServer> | undefined, Promise<NatsServer | undefined> | undefined]
): Promise<[PostgresServer | undefined, NatsServer | undefined]> {
  try {
    return await Promise.all(starting)
  } catch (error) {
    for (const start of starting) await start?.then((server) => server?.stop()).catch(() => {})
    throw error
  }
}
