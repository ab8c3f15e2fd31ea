/** How the command is called, configured and left, without any server. */
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { type CliProject, createCliProject } from './cli-project.js'

/** Its factories say when they are called. Nothing listens at the port. */
const config = `
import { drizzle } from 'drizzle-orm/node-postgres'
import { memoryPublisher, withOutbox } from 'drizzle-outbox'
import { defineConfig } from 'drizzle-outbox/config'
import { client } from './src/client'

export default defineConfig({
  db: (): ReturnType<typeof make> => {
    console.error('db was called')
    return make()
  },
  publisher: () => {
    console.error('publisher was called')
    return memoryPublisher()
  },
  relay: { name: 'configured', leaseMs: 20_000 },
})

function make() {
  return withOutbox(drizzle({ client }), { source: '/shop' })
}
`

const COMMANDS = [
  ...['init', 'sql', 'migrate', 'relay', 'status', 'events', 'dead list', 'dead show', 'dead retry'],
  ...['dead discard', 'replay', 'prune', 'rebase', 'forget', 'doctor'],
]

let project: CliProject
beforeAll(async () => {
  project = await createCliProject({}, config)
  await project.write(
    'src/client.ts',
    `import pg from 'pg'
export const client: pg.Pool = new pg.Pool({ connectionString: 'postgres://127.0.0.1:1/none' })
`,
  )
}, 120_000)
afterAll(() => project?.remove())

/** A configuration of one test's own, beside the other. */
async function withConfig(file: string, text: string): Promise<string> {
  await project.write(file, text)
  return file
}

describe('help', () => {
  it('of each command has examples, and goes to stdout', async () => {
    for (const name of COMMANDS) {
      const { code, stdout, stderr } = await project.run([...name.split(' '), '--help'])
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
      expect(stdout).toContain(`Usage: drizzle-outbox ${name}`)
      expect(stdout).toMatch(new RegExp(`Examples:\\n  \\$ npx drizzle-outbox ${name}`))
    }
  })

  it('names every command, and the version is that of the package', async () => {
    const [help, version] = await Promise.all([project.run(['--help']), project.run(['--version'])])
    const named = [...help.stdout.matchAll(/^ {2}(\w+) .* {2}\w/gm)].map(([, name]) => name)
    expect(new Set(named)).toEqual(new Set([...COMMANDS.map((name) => name.split(' ')[0]), 'help']))
    const manifest = join(project.folder, 'node_modules/drizzle-outbox/package.json')
    expect(version.stdout).toBe(`${JSON.parse(await readFile(manifest, 'utf8')).version}\n`)
  })
})

describe('exit code 2 and the reason on stderr', () => {
  it.each([
    ['no command', [], 'Usage: drizzle-outbox'],
    ['an unknown command', ['statu'], "unknown command 'statu'"],
    ['a flag that is no number', ['relay', '--batch-size', 'ten'], "'--batch-size <events>' argument 'ten'"],
    ['no time', ['events', '--since', 'yesterday'], 'It must be a time such as'],
    ['two places to replay from', ['replay', '--all', '--position', '3'], 'say from where'],
    ['nothing to discard', ['dead', 'discard'], 'say which: an id, --aggregate'],
    ['a schema that cannot be', ['sql', '--schema', 'pg_mine'], 'schema: must not begin with "pg_"'],
    ['nobody to ask', ['prune'], 'Nobody is there to be asked: say --yes.'],
  ])('for %s', async (_, args, reason) => {
    const { code, stdout, stderr } = await project.run(args)
    expect(stderr).toContain(reason)
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
  })

  it('for a variable of the environment', async () => {
    const { code, stderr } = await project.run(['relay'], { OUTBOX_LISTEN: 'perhaps' })
    expect(stderr).toContain("'perhaps' from env 'OUTBOX_LISTEN' is invalid. It must be true or false.")
    expect(code).toBe(2)
  })

  it('where there is no configuration, with what to do', async () => {
    const { code, stderr } = await project.run(['status'], {}, 'node_modules')
    expect(stderr).toContain('there is no outbox.config.ts in ')
    expect(stderr).toContain('npx drizzle-outbox init')
    expect(code).toBe(2)
  })
})

describe('a wrong configuration', () => {
  it('says which field, why, and what is allowed', async () => {
    const file = await withConfig(
      'wrong.ts',
      'export default { db: () => {}, publisher: () => {}, relay: { leaseMs: "5" } }',
    )
    const mistaken = await withConfig('mistaken.ts', 'throw new Error("oh no")')
    const [wrong, failing] = await Promise.all(
      [file, mistaken].map((config) => project.run(['status', '-c', config])),
    )
    expect(wrong).toMatchObject({ code: 2, stdout: '' })
    expect(wrong!.stderr).toBe('error wrong.ts: relay.leaseMs must be a number of milliseconds; it is "5"\n')
    expect(failing).toMatchObject({ code: 2, stdout: '' })
    expect(failing!.stderr).toContain('mistaken.ts cannot be loaded: Error: oh no')
  })

  it('is blamed on where the value came from', async () => {
    const args = ['relay', '--once']
    const [flag, environment, file] = await Promise.all([
      project.run([...args, '--batch-size', '20000']),
      project.run(args, { OUTBOX_MAX_POLL_MS: '1' }),
      project.run([
        ...args,
        '-c',
        await withConfig('range.ts', config.replace('leaseMs: 20_000', 'maxPollMs: 7')),
      ]),
    ])
    expect(flag.stderr).toContain('--batch-size or OUTBOX_BATCH_SIZE: must not be above 10000')
    expect(environment.stderr).toContain('--max-poll-ms or OUTBOX_MAX_POLL_MS: must not be below minPollMs')
    expect(file.stderr).toContain('range.ts: relay.maxPollMs: must not be below minPollMs')
    expect([flag, environment, file].map(({ code }) => code)).toEqual([2, 2, 2])
  })
})

describe('settings', () => {
  const nameOf = async (args: readonly string[], env = {}) => {
    const { stderr } = await project.run(['relay', ...args], env)
    return /relay (\w+) starts/.exec(stderr)?.[1]
  }

  it('come from flags, then the environment, then the configuration, then defaults', async () => {
    const plain = await withConfig('plain.ts', config.replace("name: 'configured', ", ''))
    const variable = { OUTBOX_RELAY_NAME: 'variable' }
    expect(
      await Promise.all([
        nameOf(['--name', 'flag'], variable),
        nameOf([], variable),
        nameOf([]),
        nameOf(['-c', plain]),
        nameOf([], { OUTBOX_CONFIG: plain }),
      ]),
    ).toEqual(['flag', 'variable', 'configured', 'default', 'default'])
  })

  it('are loaded from JavaScript as from TypeScript', async () => {
    const file = await withConfig(
      'plain.mjs',
      'export default { db: () => { throw new Error("loaded") }, publisher() {} }',
    )
    const { code, stderr } = await project.run(['status', '-c', file])
    expect(stderr).toContain('loaded')
    expect(code).toBe(1)
  })
})

describe('without a connection', () => {
  it('sql works, and calls no factory', async () => {
    const sql = await project.run(['sql'])
    expect(sql.stderr).toBe('')
    expect(sql.stdout).toContain('CREATE TABLE "outbox_events"')
    expect(sql.code).toBe(0)
  })

  it('what needs one fails with the reason, as JSON for machines', async () => {
    const { code, stdout, stderr } = await project.run(['status', '--json'])
    expect(stderr).toContain('db was called')
    expect(stderr).toContain('ERR_OUTBOX_DATABASE_FAILED')
    expect(stderr).not.toContain('publisher was called')
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    const lines = stderr.trim().split('\n')
    expect(JSON.parse(lines.at(-1)!)).toMatchObject({ level: 'error', code: 'ERR_OUTBOX_DATABASE_FAILED' })
  })

  it.each([
    'status',
    'events',
    'dead list',
    'dead retry --all --yes',
    'replay --all --yes',
    'prune --yes',
    'forget shop --yes',
    'relay',
  ])('%s says why on one line', async (command) => {
    const { code, stdout, stderr } = await project.run(command.split(' '))
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toMatch(
      /^error the database failed: connect ECONNREFUSED .+ \(ERR_OUTBOX_DATABASE_FAILED\)\n$/m,
    )
    expect(stderr).not.toContain(' at ')
  })

  it.each(['status', 'events', 'dead list', 'replay --all --yes', 'prune --yes', 'forget shop --yes'])(
    '%s ends with the first SIGINT, while the database does not answer',
    async (command) => {
      const sockets: Socket[] = []
      const silent = createServer((socket) => void sockets.push(socket)).listen(0, '127.0.0.1')
      onTestFinished(() => {
        for (const socket of sockets) socket.destroy()
        silent.close()
      })
      await once(silent, 'listening')
      const { port } = silent.address() as AddressInfo
      const client = `new pg.Pool({ connectionString: 'postgres://127.0.0.1:${port}/none' })`
      const file = await withConfig(
        `silent-${port}.ts`,
        config.replace(/import \{ client \}.*/, `import pg from 'pg'\nconst client = ${client}`),
      )
      const asking = once(silent, 'connection')
      const running = project.start([...command.split(' '), '-c', file])
      await asking
      running.kill('SIGINT')
      const { code, stdout, stderr } = await running.ended
      expect({ code, stdout }, stderr).toEqual({ code: 1, stdout: '' })
      expect(stderr).toContain('stopped by SIGINT before it was done')
    },
  )
})
