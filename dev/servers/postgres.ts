/** A PostgreSQL server of our own: throw-away data, loopback only, no password. */
import { chown } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { postgresAccount } from './account.js'
import { onFreePort } from './free-port.js'
import { launch } from './launch.js'
import { findPostgres } from './postgres-binaries.js'
import type { PrivateDirectory } from './private-directory.js'
import { inPrivateDirectory, type PrivateServer, startServer } from './private-server.js'

export interface PostgresOptions {
  /** Default: a free one. */
  readonly port?: number
  /** Further server settings, as in postgresql.conf: `{ wal_sender_timeout: '3s' }`. */
  readonly settings?: Readonly<Record<string, string | number | boolean>>
  /** Clients that must be there too, which the npm package does not have. Rejects where there is no such server. */
  readonly programs?: readonly ('pg_dump' | 'psql')[]
}

/** Its `url` is that of superuser `postgres` and database `postgres`; its directory also holds a unix socket. */
export interface PostgresServer extends PrivateServer {
  /** The folder with the `postgres` and `initdb` that it runs from. */
  readonly binaries: string
}

export async function startPostgres(options: PostgresOptions = {}): Promise<PostgresServer> {
  return inPrivateDirectory((directory) => startIn(directory, options))
}

async function startIn(
  directory: PrivateDirectory,
  { port, settings, programs }: PostgresOptions,
): Promise<PostgresServer> {
  const account = await postgresAccount()
  if (account) await chown(directory.path, account.uid, account.gid)
  const binaries = await findPostgres(directory.path, account, programs)
  const data = join(directory.path, 'data')
  await launch({
    command: join(binaries, 'initdb'),
    args: ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync'],
    directory: directory.path,
    account,
  })

  const startOn = (port: number): Promise<PostgresServer> => {
    const all = { ...defaults(directory.path), ...settings, port }
    return startServer(
      directory,
      {
        command: join(binaries, 'postgres'),
        args: ['-D', data, ...Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`])],
        ready: /ready to accept connections/,
        quit: 'SIGINT',
        account,
      },
      { url: `postgres://postgres@127.0.0.1:${port}/postgres`, port, binaries },
    )
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
