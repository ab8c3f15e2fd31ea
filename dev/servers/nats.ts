/** A NATS server of our own, with JetStream: loopback only, file storage in a private directory. */
import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { onFreePort } from './free-port.js'
import { findNatsServer, howToGetNats } from './nats-binary.js'
import type { PrivateDirectory } from './private-directory.js'
import { inPrivateDirectory, type PrivateServer, startServer } from './private-server.js'

export interface NatsOptions {
  /** Default: a free one. */
  readonly port?: number
  /** Text of a configuration file to use besides our flags: accounts, TLS, limits, … */
  readonly config?: string
  /** Files that the configuration names, such as certificates: their text by their name. */
  readonly files?: Readonly<Record<string, string>>
  /** Further command-line flags. */
  readonly flags?: readonly string[]
  /** Whether it has JetStream, or settings of it such as `max_file: 1M`. Default: true. */
  readonly jetStream?: boolean | string
  /** Path of the `nats-server` to run. Default: `findNatsServer()`. */
  readonly binary?: string
}

export interface NatsServer extends PrivateServer {
  /** As the server says it: `2.9.10`. */
  readonly version: string
  /** Gives it another configuration while it runs. Throws in the words of the server when it takes none of it. */
  reload(config: string): Promise<void>
}

/** Throws with `howToGetNats` when there is no server to start. */
export async function startNats(options: NatsOptions = {}): Promise<NatsServer> {
  const binary = options.binary ?? (await findNatsServer())
  if (!binary) throw new Error(howToGetNats)
  return inPrivateDirectory((directory) => startIn(directory, binary, options))
}

async function startIn(
  directory: PrivateDirectory,
  binary: string,
  { port, config = '', files = {}, flags = [], jetStream = true }: NatsOptions,
): Promise<NatsServer> {
  const version = await versionOf(binary)
  const configFile = join(directory.path, 'nats.conf')
  const settings = jetStream === true ? '' : jetStream
  // Not by flag: until 2.10 a reload would forget it.
  const storage = jetStream === false ? '' : `jetstream { store_dir: "${directory.path}", ${settings} }`
  const configure = (text: string) => writeFile(configFile, `${text}\n${storage}\n`)
  await configure(config)
  // Relative names are found: the server runs in its directory.
  for (const [name, text] of Object.entries(files)) await writeFile(join(directory.path, name), text)

  const startOn = async (port: number): Promise<NatsServer> => {
    const address = ['--addr', '127.0.0.1', '--port', `${port}`]
    const server = await startServer(
      directory,
      {
        command: binary,
        args: [...address, ...flags, '--config', configFile],
        ready: /Server is ready/,
        quit: 'SIGTERM',
      },
      { url: `nats://127.0.0.1:${port}`, port, version, reload },
    )
    async function reload(text: string): Promise<void> {
      await configure(text)
      await untilReloaded(directory.path, () => process.kill(server.pid, 'SIGHUP'))
    }
    return server
  }
  return port === undefined ? onFreePort(startOn) : startOn(port)
}

/** Waits for what the server writes to its log when it is asked. */
async function untilReloaded(directory: string, ask: () => void): Promise<void> {
  const log = () => readFile(join(directory, 'log'), 'utf8')
  const before = (await log()).length
  ask()
  for (const deadline = Date.now() + 10_000; Date.now() < deadline; await sleep(10)) {
    const said = (await log()).slice(before)
    const refused = /Failed to reload server configuration: (.*)/.exec(said)
    if (refused) throw new Error(refused[1])
    if (/Reloaded server configuration/.test(said)) return
  }
  throw new Error(`nats-server did not reload: see ${directory}/log`)
}

async function versionOf(binary: string): Promise<string> {
  const { stdout } = await promisify(execFile)(binary, ['--version'])
  return /\d+\.\d+\.\S+/.exec(stdout)?.[0] ?? stdout.trim()
}
