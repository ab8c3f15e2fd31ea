/** Where the `nats-server` program comes from. No npm package ships it. */
import { execFile } from 'node:child_process'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { unpackDebianPackage } from './debian-package.js'

const run = promisify(execFile)
const cache = fileURLToPath(new URL('../../node_modules/.cache/drizzle-outbox/nats-server', import.meta.url))

export const howToGetNats = `No nats-server runs here. One of these gives you one:
  Debian, Ubuntu  apt-get install nats-server
  macOS           brew install nats-server
  any system      download it from the NATS server's GitHub releases, then set NATS_SERVER_BINARY to its path
or set NATS_URL to a server with JetStream.`

/** The path of a nats-server; fetches the Debian package where there is none. Undefined: see `howToGetNats`. */
export async function findNatsServer(): Promise<string | undefined> {
  const named = process.env.NATS_SERVER_BINARY
  if (named) return named
  const folders = [
    ...(process.env.PATH ?? '').split(delimiter),
    '/usr/sbin',
    '/usr/local/bin',
    join(cache, 'usr/sbin'),
  ]
  for (const folder of folders) {
    const binary = join(folder, 'nats-server')
    if (await runs(binary)) return binary
  }
  const fetched = join(cache, 'usr/sbin/nats-server')
  return (await unpackDebianPackage('nats-server', cache)) && (await runs(fetched)) ? fetched : undefined
}

async function runs(binary: string): Promise<boolean> {
  try {
    await run(binary, ['--version'])
    return true
  } catch {
    return false
  }
}
