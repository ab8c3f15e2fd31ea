import { existsSync } from 'node:fs'
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createDatabase, type PostgresServer, startPostgres } from '../../dev/servers/index.js'
import { processesOf } from '../../dev/servers/sweep.mjs'

let server: PostgresServer
beforeAll(async () => {
  server = await startPostgres({ settings: { wal_sender_timeout: '3s' } })
})
afterAll(() => server?.stop())

async function ask(url: string, sql: string): Promise<unknown> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    const { rows } = await client.query(sql)
    return Object.values(rows[0] ?? {})[0]
  } finally {
    await client.end()
  }
}

/** Of somebody who is in the middle of things. */
async function use(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  client.on('error', () => {})
  await client.connect()
}

test('answers, with the settings asked for', async () => {
  const { url } = server
  expect(await ask(url, 'show wal_level')).toBe('logical')
  expect(await ask(url, 'show server_encoding')).toBe('UTF8')
  expect(await ask(url, 'show wal_sender_timeout')).toBe('3s')
})

test('listens on a unix socket as well', async () => {
  const { directory, port } = server
  expect(
    await ask(`socket://postgres@${directory}?db=postgres&port=${port}`, 'select 1 as one').catch(String),
  ).toBe(1)
})

test.each(['SIGKILL', 'SIGINT', 'SIGQUIT'] as const)(
  'keeps its data over %s and a restart',
  async (signal) => {
    const { url, pid } = server
    await ask(url, `create table kept_${signal} as select 42 as answer`)
    await server.kill(signal)
    await expect(ask(url, 'select 1')).rejects.toThrow('ECONNREFUSED')
    await server.restart()
    expect(server.pid).not.toBe(pid)
    expect(await ask(url, `select answer from kept_${signal}`)).toBe(42)
  },
)

test('restarts while it runs and is being used', async () => {
  await use(server.url)
  await server.restart()
  expect(await ask(server.url, 'select 1 as one')).toBe(1)
})

test('leaves nothing after stop, which may be called again, even with its processes frozen', async () => {
  const other = await startPostgres()
  const { directory, pid, stop } = other
  expect(other.port).not.toBe(server.port)
  process.kill(pid, 'SIGSTOP')
  await Promise.all([stop(), stop()])
  await stop()
  expect(existsSync(directory)).toBe(false)
  expect(processesOf(directory)).toEqual([])
  // The one that runs beside it stays.
  expect(await ask(server.url, 'select 1 as one')).toBe(1)
})

test('a start that fails leaves nothing', async () => {
  const { port } = server
  await expect(startPostgres({ port })).rejects.toThrow(/address already in use/i)
  expect(processesOf(`port=${port}`)).toHaveLength(1)
})

test('a database of its own, dropped while it is in use', async () => {
  const { url } = server
  const database = await createDatabase(url)
  await use(database.url)
  await database.drop()
  await database.drop()
  await expect(ask(database.url, 'select 1')).rejects.toThrow('does not exist')
})
