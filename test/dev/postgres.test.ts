import { existsSync } from 'node:fs'
import pg from 'pg'
import { expect, onTestFinished, test } from 'vitest'
import { createDatabase, type PostgresOptions, startPostgres } from '../../dev/servers/index.js'
import { processesOf } from '../../dev/servers/sweep.mjs'

async function postgres(options?: PostgresOptions) {
  const server = await startPostgres(options)
  onTestFinished(() => server.stop())
  return server
}

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

test('answers, with the settings asked for', async () => {
  const { url } = await postgres({ settings: { wal_sender_timeout: '3s' } })
  expect(await ask(url, 'show wal_level')).toBe('logical')
  expect(await ask(url, 'show server_encoding')).toBe('UTF8')
  expect(await ask(url, 'show wal_sender_timeout')).toBe('3s')
})

test('listens on a unix socket as well', async () => {
  const { directory, port } = await postgres()
  expect(
    await ask(`socket://postgres@${directory}?db=postgres&port=${port}`, 'select 1 as one').catch(String),
  ).toBe(1)
})

test.each(['SIGKILL', 'SIGINT', 'SIGQUIT'] as const)(
  'keeps its data over %s and a restart',
  async (signal) => {
    const server = await postgres()
    const { url, pid } = server
    await ask(url, 'create table kept as select 42 as answer')
    await server.kill(signal)
    await expect(ask(url, 'select 1')).rejects.toThrow('ECONNREFUSED')
    await server.restart()
    expect(server.pid).not.toBe(pid)
    expect(await ask(url, 'select answer from kept')).toBe(42)
  },
)

test('restarts while it runs and is being used', async () => {
  const server = await postgres()
  const client = new pg.Client({ connectionString: server.url })
  client.on('error', () => {})
  await client.connect()
  await server.restart()
  expect(await ask(server.url, 'select 1 as one')).toBe(1)
})

test('leaves nothing after stop, which may be called again, even with its processes frozen', async () => {
  const { directory, pid, stop } = await postgres()
  process.kill(pid, 'SIGSTOP')
  await Promise.all([stop(), stop()])
  await stop()
  expect(existsSync(directory)).toBe(false)
  expect(processesOf(directory)).toEqual([])
})

test('two servers run side by side', async () => {
  const [one, two] = await Promise.all([postgres(), postgres()])
  expect(one.port).not.toBe(two.port)
  await one.stop()
  expect(await ask(two.url, 'select 1 as one')).toBe(1)
})

test('a start that fails leaves nothing', async () => {
  const { port } = await postgres()
  await expect(startPostgres({ port })).rejects.toThrow(/address already in use/i)
  expect(processesOf(`port=${port}`)).toHaveLength(1)
})

test('a database of its own, dropped while it is in use', async () => {
  const { url } = await postgres()
  const database = await createDatabase(url)
  const client = new pg.Client({ connectionString: database.url })
  client.on('error', () => {})
  await client.connect()
  await database.drop()
  await database.drop()
  await expect(ask(database.url, 'select 1')).rejects.toThrow('does not exist')
})
