/** Somebody who has never seen this, in an empty folder, types what `init` prints, and nothing else. */
import { execFile } from 'node:child_process'
import { chmod, mkdir, mkdtemp, readdir, realpath, rename, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { jetstream, jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import { beforeAll, expect, it, onTestFinished } from 'vitest'
import { createConsumer } from '../package/consumer.js'
import { type PackedPackage, packPackage, repository } from '../package/packed.js'
import { describeWithPrivateNats } from '../support/private-nats.js'
import { freshDatabase } from '../support/servers.js'

/** As a shell runs what was pasted. `npx` finds what `npm install` has left in the folder. */
function type(command: string, cwd: string, env: NodeJS.ProcessEnv): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile('sh', ['-c', command], { cwd, env: { ...process.env, ...env } }, (error, stdout, stderr) => {
      if (error) reject(new Error(`${command} failed:\n${stdout}${stderr}`))
      else resolve(stdout)
    })
  })
}

/** What `npm install` would do, without asking the registry: our package is not there yet. */
async function install(packages: readonly string[], folder: string, packed: PackedPackage): Promise<void> {
  const consumer = await createConsumer(packed, {})
  await rename(join(consumer.folder, 'node_modules'), join(folder, 'node_modules'))
  await consumer.remove()
  for (const name of packages) {
    const target = join(folder, 'node_modules', name)
    await mkdir(dirname(target), { recursive: true })
    await symlink(join(repository, 'node_modules', name), target).catch((error) => {
      if (error.code !== 'EEXIST') throw error
    })
  }
  const main = join(folder, 'node_modules/drizzle-outbox', packed.manifest.bin['drizzle-outbox']!)
  await chmod(main, 0o755)
  await mkdir(join(folder, 'node_modules/.bin'))
  await symlink(main, join(folder, 'node_modules/.bin/drizzle-outbox'))
}

describeWithPrivateNats('an empty folder', (nats) => {
  let packed: PackedPackage
  beforeAll(async () => {
    packed = await packPackage()
  }, 120_000)

  it('leads to a published event, by what is printed alone', { timeout: 120_000 }, async () => {
    const database = await freshDatabase()
    const folder = await realpath(await mkdtemp(join(tmpdir(), 'new-user-')))
    onTestFinished(async () => {
      await rm(folder, { recursive: true, force: true })
      await database.drop()
    })
    const env = { DATABASE_URL: database.url, NATS_URL: nats().url }

    // From npx's own cache, where the package has its dependencies beside it.
    const cache = await createConsumer(packed, { drizzle: '0.45' })
    onTestFinished(() => cache.remove())
    const main = join(cache.folder, 'node_modules/drizzle-outbox', packed.manifest.bin['drizzle-outbox']!)
    const printed = await type(`node ${main} init`, folder, env)
    expect((await readdir(folder)).sort()).toEqual(['outbox.config.ts', 'outbox.example.mjs'])

    const commands = [...printed.matchAll(/^ {5}(.+)$/gm)].map(([, command]) => command!)
    expect(commands).toHaveLength(4)
    const [installing, ...rest] = commands
    expect(installing).toMatch(/^npm install /)
    await install(installing!.split(' ').slice(2), folder, packed)
    const outputs: string[] = []
    for (const command of rest) outputs.push(await type(command, folder, env))
    expect(outputs).toEqual([
      expect.stringContaining('are made (version'),
      'stored: order.placed of order 1\n',
      expect.stringMatching(/^published 1 event in /),
    ])

    const connection = await connect({ servers: nats().url })
    onTestFinished(() => connection.close())
    const { state } = await (await jetstreamManager(connection)).streams.info('EVENTS')
    expect(state.messages).toBe(1)
    const message = await (await jetstream(connection).streams.get('EVENTS')).getMessage({ seq: 1 })
    expect(message?.subject).toBe('events.order.placed')
    await expect(type('npx drizzle-outbox init', folder, env)).rejects.toThrow('init overwrites nothing')
  })
})
