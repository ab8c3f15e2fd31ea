/** A PostgreSQL server of our own: throw-away data, loopback only, no password. */
import { chown } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { postgresAccount } from './account.js'
import { onFreePort } from './free-port.js'
import { launch } from './launch.js'
import { findPostgres } from './postgres-binaries.js'
import { makePrivateDirectory, type PrivateDirectory } from './private-directory.js'
import { type PrivateServer, ServerProcess } from './server-process.js'

export interface PostgresOptions {
  /** Default: a free one. */
  readonly port?: number
  /** Further server settings, as in postgresql.conf: `{ wal_sender_timeout: '3s' }`. */
  readonly settings?: Readonly<Record<string, string | number | boolean>>
}

/** Its `url` is that of superuser `postgres` and database `postgres`; its directory also holds a unix socket. */
export interface PostgresServer extends PrivateServer {
  /** The folder with the `postgres` and `initdb` that it runs from. */
  readonly binaries: string
}

export async function startPostgres(options: PostgresOptions = {}): Promise<PostgresServer> {
  const directory = await makePrivateDirectory()
  try {
    return await startIn(directory, options)
  } catch (error) {
    await directory.remove()
    throw error
  }
}

async function startIn(
  directory: PrivateDirectory,
  { port, settings }: PostgresOptions,
): Promise<PostgresServer> {
  const account = await postgresAccount()
  if (account) await chown(directory.path, account.uid, account.gid)
  const binaries = await findPostgres(directory.path, account)
  const data = join(directory.path, 'data')
  await launch({
    command: join(binaries, 'initdb'),
    args: ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync'],
    directory: directory.path,
    account,
  })

  const startOn = async (port: number): Promise<PostgresServer> => {
    const all = { ...defaults(directory.path), ...settings, port }
    const server = await ServerProcess.start({
      command: join(binaries, 'postgres'),
      args: ['-D', data, ...Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`])],
      directory: directory.path,
      ready: /ready to accept connections/,
      quit: 'SIGINT',
      account,
    })
    return {
      url: `postgres://postgres@127.0.0.1:${port}/postgres`,
      port,
      directory: directory.path,
      binaries,
      get pid() {
        return server.pid
      },
      stop: () => directory.remove(),
      kill: (signal) => server.kill(signal),
      restart: () => server.restart(),
      keep: () => directory.keep(),
    }
  }
  return port === undefined ? onFreePort(startOn) : startOn(port)
}

function defaults(directory: string): NonNullable<PostgresOptions['settings']> {
  return {
    listen_addresses: '127.0.0.1',
    unix_socket_directories: directory,
    // Shown in the command line of every backend, which is how the janitor finds those that outlive the postmaster.
    cluster_name: basename(directory),
    // In the data directory, where it is removed with the rest even after a SIGKILL.
    dynamic_shared_memory_type: 'mmap',
    max_connections: 200,
    wal_level: 'logical',
    fsync: 'off',
    full_page_writes: 'off',
    // Off would save little without fsync, and delay logical replication to the WAL writer's next round, 200 ms.
    synchronous_commit: 'on',
  }
}
