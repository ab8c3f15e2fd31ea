/** Where a campaign takes place: servers that may be killed, a database, streams, and a folder for what is noted. */
import { jetstreamManager, type StreamAPI } from '@nats-io/jetstream'
import { connect, nanos } from '@nats-io/transport-node'
import {
  createDatabase,
  findNatsServer,
  type NatsServer,
  type PostgresServer,
  startNats,
  startPostgres,
} from '../../../dev/servers/index.js'
import { makePrivateDirectory } from '../../../dev/servers/private-directory.js'
import { knowsFastIngest } from '../../../src/publishers/jetstream/fast-ingest.js'
import { openDatabase } from '../../support/outbox-databases.js'
import { createTables } from '../accounts.js'
import type { Ordering } from '../publishing/campaign.js'
import { SmallDisk } from './small-disk.js'

/** Never those that others use. */
export interface Servers {
  readonly postgres: PostgresServer
  readonly nats: NatsServer
  /** Where `nats` keeps its streams. Undefined where that is not permitted. */
  readonly disk: SmallDisk | undefined
}

export async function startServersToKill(): Promise<Servers & AsyncDisposable> {
  const disk = await SmallDisk.mount()
  const starting = [startPostgres({ settings: LAZY }), startNatsOn(disk)] as const
  const stop = async () => {
    await stopAll(starting)
    await disk?.stop()
  }
  try {
    const [postgres, nats] = await Promise.all(starting)
    return { postgres, nats, disk, [Symbol.asyncDispose]: stop }
  } catch (error) {
    await stop()
    throw error
  }
}

async function startNatsOn(disk: SmallDisk | undefined): Promise<NatsServer> {
  const binary = await findNatsServer()
  if (disk === undefined || binary === undefined) return startNats()
  return startNats({ binary: await disk.bring(binary), jetStream: `store_dir: "${disk.path}"` })
}

/** Or timers may bring to the disk what a crash is to lose: the ids of transactions that were rolled back. */
const LAZY = { wal_writer_delay: '10s', bgwriter_delay: '10s', bgwriter_lru_maxpages: 0 }

async function stopAll(starting: readonly Promise<{ stop(): Promise<void> }>[]): Promise<void> {
  await Promise.allSettled(starting.map(async (server) => (await server).stop()))
}

export interface Site extends Servers {
  readonly databaseUrl: string
  /** A relay's name is that of its stream. */
  readonly streams: readonly { readonly name: string; readonly ordering: Ordering }[]
  /** Private, and gone afterwards. */
  readonly folder: string
  /** While `act` runs, a server that starts knows the ids only of what was stored in the last so many milliseconds. */
  forgetting(duplicateWindowMs: number, act: () => Promise<void>): Promise<void>
  close(): Promise<void>
}

let sites = 0

/** A database and streams that nobody else uses. */
export async function openSite(
  { postgres, nats, disk }: Servers,
  orderings: readonly Ordering[],
  duplicateWindowMs: number,
): Promise<Site> {
  const site = ++sites
  const streams = orderings.map((ordering, index) => {
    return { name: `${ordering.toUpperCase()}_${site}_${index + 1}`, ordering }
  })
  const directory = await makePrivateDirectory()
  const database = await createDatabase(postgres.url)
  const open = openDatabase(database.url)
  await createTables(open)
  await open.close()
  await administer(nats, async (api) => {
    for (const { name } of streams)
      await api.add({
        name,
        subjects: [`${name.toLowerCase()}.>`],
        duplicate_window: nanos(duplicateWindowMs),
        ...(knowsFastIngest(nats.version) ? { allow_batched: true } : {}),
      })
  })
  const setDuplicateWindow = (ms: number) =>
    administer(nats, async (api) => {
      for (const { name } of streams) await api.update(name, { duplicate_window: nanos(ms) })
    })
  return {
    postgres,
    nats,
    disk,
    databaseUrl: database.url,
    streams,
    folder: directory.path,
    forgetting: async (ms, act) => {
      await setDuplicateWindow(Math.min(ms, duplicateWindowMs))
      await act()
      await setDuplicateWindow(duplicateWindowMs)
    },
    close: async () => {
      await administer(nats, async (api) => {
        for (const { name } of streams) await api.delete(name)
      })
      await database.drop()
      await directory.remove()
    },
  }
}

/** Past all proxies. */
async function administer<T>({ url }: NatsServer, act: (streams: StreamAPI) => Promise<T>): Promise<T> {
  const connection = await connect({ servers: url })
  try {
    const { streams } = await jetstreamManager(connection)
    return await act(streams)
  } finally {
    await connection.close()
  }
}
