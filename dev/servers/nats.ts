/** A NATS server of our own, with JetStream: loopback only, file storage in a private directory. */
import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { onFreePort } from './free-port.js'
import { findNatsServer, howToGetNats } from './nats-binary.js'
import { makePrivateDirectory, type PrivateDirectory } from './private-directory.js'
import { type PrivateServer, ServerProcess } from './server-process.js'

export interface NatsOptions {
  /** Default: a free one. */
  readonly port?: number
  /** Text of a configuration file to use besides our flags: accounts, TLS, limits, … */
  readonly config?: string
  /** Further command-line flags. */
  readonly flags?: readonly string[]
  /** Path of the `nats-server` to run. Default: `findNatsServer()`. */
  readonly binary?: string
}

export interface NatsServer extends PrivateServer {
  /** As the server says it: `2.9.10`. */
  readonly version: string
}

/** Throws with `howToGetNats` when there is no server to start. */
export async function startNats(options: NatsOptions = {}): Promise<NatsServer> {
  const binary = options.binary ?? (await findNatsServer())
  if (!binary) throw new Error(howToGetNats)
  const directory = await makePrivateDirectory()
  try {
    return await startIn(directory, binary, options)
  } catch (error) {
    await directory.remove()
    throw error
  }
}

async function startIn(
  directory: PrivateDirectory,
  binary: string,
  options: NatsOptions,
): Promise<NatsServer> {
  const version = await versionOf(binary)
  const extra = [...(options.flags ?? [])]
  if (options.config !== undefined) {
    const file = join(directory.path, 'nats.conf')
    await writeFile(file, options.config)
    extra.push('--config', file)
  }
  const startOn = async (port: number): Promise<NatsServer> => {
    const server = await ServerProcess.start({
      command: binary,
      args: [
        '--addr',
        '127.0.0.1',
        '--port',
        `${port}`,
        '--jetstream',
        '--store_dir',
        directory.path,
        ...extra,
      ],
      directory: directory.path,
      ready: /Server is ready/,
      quit: 'SIGTERM',
    })
    return {
      url: `nats://127.0.0.1:${port}`,
      port,
      directory: directory.path,
      version,
      get pid() {
        return server.pid
      },
      stop: () => directory.remove(),
      kill: (signal) => server.kill(signal),
      restart: () => server.restart(),
      keep: () => directory.keep(),
    }
  }
  return options.port === undefined ? onFreePort(startOn) : startOn(options.port)
}

async function versionOf(binary: string): Promise<string> {
  const { stdout } = await promisify(execFile)(binary, ['--version'])
  return /\d+\.\d+\.\S+/.exec(stdout)?.[0] ?? stdout.trim()
}
