/** The servers that demo and example run on: private ones, or a corner of those that the environment names. */
import { randomBytes } from 'node:crypto'
import { jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import { createDatabase } from './database.js'
import { startServers } from './start-servers.js'

export interface Venue extends AsyncDisposable {
  readonly databaseUrl: string
  /** Undefined: no nats-server can be had. */
  readonly natsUrl: string | undefined
  /** Name of the stream, which nobody else uses. */
  readonly stream: string
  /** Disposing leaves everything as it is from now on. @returns the commands that remove it, one a line. */
  keep(): Promise<string[]>
}

/** @param stream Its name, on a NATS server of our own. */
export async function openVenue(stream: string): Promise<Venue> {
  const servers = await startServers()
  const { natsUrl } = servers
  // On a server of somebody else we make a database and a stream of our own, and touch nothing besides.
  const ours = { database: servers.postgres !== undefined, nats: servers.nats !== undefined }
  const streamHere = ours.nats ? stream : `${stream}_DEMO_${randomBytes(4).toString('hex').toUpperCase()}`
  const guest = ours.database ? undefined : await createDatabase(servers.databaseUrl)
  const databaseUrl = guest?.url ?? servers.databaseUrl
  let kept = false

  return {
    databaseUrl,
    natsUrl,
    stream: streamHere,
    keep: async () => {
      kept = true
      const commands: string[] = []
      if (guest) commands.push(`psql '${servers.databaseUrl}' -c 'drop database ${nameOf(databaseUrl)}'`)
      if (natsUrl && !ours.nats) commands.push(`nats --server ${natsUrl} stream rm --force ${streamHere}`)
      const stopServers = await servers.keep()
      return stopServers === '' ? commands : [...commands, stopServers]
    },
    [Symbol.asyncDispose]: async () => {
      if (kept) return
      await guest?.drop()
      if (natsUrl && !ours.nats) await removeStream(natsUrl, streamHere)
      await servers.stop()
    },
  }
}

function nameOf(databaseUrl: string): string {
  return new URL(databaseUrl).pathname.slice(1)
}

/** It may not have come to be. */
async function removeStream(natsUrl: string, stream: string): Promise<void> {
  const connection = await connect({ servers: natsUrl })
  const manager = await jetstreamManager(connection)
  await manager.streams.delete(stream).catch(() => {})
  await connection.close()
}
