/** Databases of PGlite, which live in this process. */
import { randomUUID } from 'node:crypto'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { PGlite } from '@electric-sql/pglite'
import type { Database } from '../../dev/servers/index.js'

const clients = new Map<string, PGlite>()

/** An empty one. Its URL is good for this process. */
export async function createEmbeddedDatabase(): Promise<Database> {
  const url = `memory://${clients.size}`
  const client = await startPGlite()
  clients.set(url, client)
  return { url, drop: () => client.close() }
}

export function embeddedClient(url: string): PGlite {
  const client = clients.get(url)
  if (client === undefined) throw new Error(`${url} is not a database of createEmbeddedDatabase`)
  return client
}

/** PGlite begins with initdb, which takes it seconds: so its result is kept, for each version of PGlite. */
async function startPGlite(): Promise<PGlite> {
  const kept = await readFile(await keptIn()).catch(() => undefined)
  if (kept !== undefined) return PGlite.create({ loadDataDir: new Blob([kept]) })
  const client = await PGlite.create()
  const dump = await client.dumpDataDir('none')
  const unfinished = `${await keptIn()}.${randomUUID()}` // others may be at it as well
  await writeFile(unfinished, Buffer.from(await dump.arrayBuffer()))
  await rename(unfinished, await keptIn())
  return client
}

async function keptIn(): Promise<string> {
  const entry = createRequire(import.meta.url).resolve('@electric-sql/pglite')
  const { version } = JSON.parse(await readFile(new URL('../package.json', `file://${entry}`), 'utf8'))
  const folder = fileURLToPath(new URL('../../node_modules/.cache/drizzle-outbox/', import.meta.url))
  await mkdir(folder, { recursive: true })
  return `${folder}pglite-${version}.tar`
}
