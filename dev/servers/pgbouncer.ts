/** A PgBouncer of our own in front of a PostgreSQL: loopback only, anybody may log in. */
import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { postgresAccount } from './account.js'
import { onFreePort } from './free-port.js'
import type { PrivateDirectory } from './private-directory.js'
import { inPrivateDirectory, type PrivateServer, startServer } from './private-server.js'
import { type FoundProgram, findProgram } from './program.js'

export const howToGetPgBouncer = `No pgbouncer runs here. One of these gives you one:
  Debian, Ubuntu  apt-get install pgbouncer
  macOS           brew install pgbouncer`

export interface PgBouncerOptions {
  /** The server behind it. Clients reach each of its databases, as the user of this URL. */
  readonly databaseUrl: string
  /** Further settings, as in the section `[pgbouncer]`: `{ default_pool_size: 2 }`. */
  readonly settings?: Readonly<Record<string, string | number>>
  /** Default: `findPgBouncer()`. */
  readonly program?: FoundProgram
}

export interface PgBouncerServer extends PrivateServer {
  /** As it says it: `1.18.0`. */
  readonly version: string
  /** The URL of a database on the server behind it, by way of PgBouncer. */
  through(databaseUrl: string): string
}

/** Fetches the Debian package where there is none. Undefined: see `howToGetPgBouncer`. */
export function findPgBouncer(): Promise<FoundProgram | undefined> {
  return findProgram('pgbouncer')
}

/** Pools by transaction unless told otherwise. Throws with `howToGetPgBouncer` when there is none to start. */
export async function startPgBouncer(options: PgBouncerOptions): Promise<PgBouncerServer> {
  const program = options.program ?? (await findPgBouncer())
  if (!program) throw new Error(howToGetPgBouncer)
  return inPrivateDirectory((directory) => startIn(directory, program, options))
}

async function startIn(
  directory: PrivateDirectory,
  { path, env }: FoundProgram,
  { databaseUrl, settings }: PgBouncerOptions,
): Promise<PgBouncerServer> {
  const version = await versionOf(path, env)
  const account = await postgresAccount()
  const file = join(directory.path, 'pgbouncer.ini')

  const startOn = async (port: number): Promise<PgBouncerServer> => {
    const all = { ...defaults(version), ...settings, listen_port: port }
    // It also refuses to run as root, but changes to another account by itself, when it has read its files.
    await writeFile(file, iniOf(databaseUrl, account ? { ...all, user: account.name } : all))
    const through = (url: string) => {
      const pooled = new URL(url)
      pooled.host = `127.0.0.1:${port}`
      pooled.search = ''
      return pooled.href
    }
    return startServer(
      directory,
      { command: path, args: [file], env, ready: /process up: PgBouncer/, quit: 'SIGTERM' },
      { url: through(databaseUrl), port, version, through },
    )
  }
  return onFreePort(startOn)
}

function defaults(version: string): NonNullable<PgBouncerOptions['settings']> {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  return {
    listen_addr: '127.0.0.1',
    unix_socket_dir: '',
    auth_type: 'any',
    pool_mode: 'transaction',
    ignore_startup_parameters: 'extra_float_digits',
    // Older versions know no prepared statements, and not even the setting.
    ...((major > 1 || minor >= 21) && { max_prepared_statements: 0 }),
  }
}

function iniOf(databaseUrl: string, settings: NonNullable<PgBouncerOptions['settings']>): string {
  const { hostname, port, username, password, searchParams } = new URL(databaseUrl)
  const server = {
    host: searchParams.get('host') ?? hostname.replace(/^\[|\]$/g, ''),
    port: port || '5432',
    user: decodeURIComponent(username),
    password: decodeURIComponent(password),
  }
  const connection = Object.entries(server)
    .filter(([, value]) => value !== '')
    .map(([name, value]) => `${name}='${value.replaceAll("'", "''")}'`)
  const lines = Object.entries(settings).map(([name, value]) => `${name} = ${value}`)
  return ['[databases]', `* = ${connection.join(' ')}`, '[pgbouncer]', ...lines, ''].join('\n')
}

async function versionOf(path: string, env: FoundProgram['env']): Promise<string> {
  const { stdout } = await promisify(execFile)(path, ['--version'], { env: { ...process.env, ...env } })
  return /\d+\.\d+\.\d+/.exec(stdout)?.[0] ?? stdout.trim()
}
