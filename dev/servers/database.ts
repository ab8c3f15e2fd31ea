/** A fresh database on a server that others use too. */
import { randomBytes } from 'node:crypto'
import pg from 'pg'

export interface Database {
  readonly url: string
  /** Drops it, whoever is still connected. Again: does nothing. */
  drop(): Promise<void>
}

/** `serverUrl` must name a role that may create databases. */
export async function createDatabase(serverUrl: string): Promise<Database> {
  const name = `drizzle_outbox_${randomBytes(8).toString('hex')}`
  await query(serverUrl, `create database ${name} template template0`)
  const url = new URL(serverUrl)
  url.pathname = `/${name}`
  return {
    url: url.href,
    drop: () => query(serverUrl, `drop database if exists ${name} with (force)`),
  }
}

async function query(url: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    await client.query(sql)
  } finally {
    await client.end()
  }
}
