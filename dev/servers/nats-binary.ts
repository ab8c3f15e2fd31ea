/** Where the `nats-server` program comes from. */
import { findProgram } from './program.js'

export const howToGetNats = `No nats-server runs here. One of these gives you one:
  Debian, Ubuntu  apt-get install nats-server
  macOS           brew install nats-server
  any system      download it from the NATS server's GitHub releases, then set NATS_SERVER_BINARY to its path
or set NATS_URL to a server with JetStream.`

/** The path of a nats-server; fetches the Debian package where there is none. Undefined: see `howToGetNats`. */
export async function findNatsServer(): Promise<string | undefined> {
  return process.env.NATS_SERVER_BINARY || (await findProgram('nats-server'))?.path
}
