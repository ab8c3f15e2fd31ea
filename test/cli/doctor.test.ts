/** What the doctor finds on servers that are not in order, and what it says to do about it. */
import { jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readDatabaseFacts } from '../../src/event-log/database-facts.js'
import { describeWithPgBouncer } from '../support/private-pgbouncer.js'
import { describeWithNats } from '../support/servers.js'
import { type CliProject, createCliProject } from './cli-project.js'
import { jsonSchemas } from './json-schemas.js'
import { openTestLog, type TestLog } from './test-log.js'

let project: CliProject
const logs: TestLog[] = []
beforeAll(async () => {
  project = await createCliProject()
}, 120_000)
afterAll(async () => {
  await project?.remove()
  for (const log of logs) await log.close()
})

async function openLog(): Promise<TestLog> {
  const log = await openTestLog()
  logs.push(log)
  return log
}

/** What is not in order, by area and check, with what to do. */
async function examine(env: Record<string, string>) {
  const { code, stdout, stderr } = await project.run(['doctor', '--json'], env)
  expect(stdout, stderr).not.toBe('')
  const { findings, healthy } = jsonSchemas.doctor.parse(JSON.parse(stdout))
  // The servers of tests have these on purpose.
  const ofTheServer = /^(database: (durability|autovacuum)|destination: (replicas|sync to disk))$/
  const troubles = findings
    .map(({ area, check, ...rest }) => ({ check: `${area}: ${check}`, ...rest }))
    .filter(({ check, level }) => level !== 'ok' && !ofTheServer.test(check))
  return { code, healthy, checks: findings.map(({ check }) => check), troubles }
}

describe('doctor', () => {
  it('finds nothing in a log that is in order, and says so to people', async () => {
    const log = await openLog()
    await project.run(['relay', '--once'], log.env)
    const { troubles, checks } = await examine(log.env)
    expect(troubles).toEqual([])
    for (const check of ['clock', 'oldest transaction', 'pooler', 'privileges', 'lease', 'sequence cache'])
      expect(checks).toContain(check)
    const { stdout } = await project.run(['doctor'], log.env)
    expect(stdout).toMatch(/^tables\n {2}✓ tables +version 4, made by migrateOutbox$/m)
  })

  it('finds what is wrong with tables, and what it says cures it', async () => {
    const log = await openLog()
    await project.run(['relay', '--once'], log.env)
    await log.client.query(`
      alter table outbox_events alter column position set cache 7;
      alter table outbox_events add column tenant text not null;
      alter table outbox_relays set (autovacuum_enabled = false);
      alter table outbox_relays alter column snapshot drop not null;
      drop index outbox_events_xid`)
    const { code, healthy, troubles } = await examine(log.env)
    expect({ code, healthy }).toEqual({ code: 3, healthy: false })
    const byCheck = (name: string) => troubles.filter(({ check }) => check === `tables: ${name}`)
    expect(byCheck('columns and indexes').map(({ message }) => message)).toEqual([
      '"outbox_events".tenant is not ours, and stops every insert: it needs a default',
      'index outbox_events_xid on "outbox_events" is missing',
      '"outbox_relays".snapshot may be null',
    ])
    const [cache] = byCheck('sequence cache')
    const [vacuum] = byCheck('vacuum of "outbox_relays"')
    expect(cache?.message).toMatch(/^7: /)
    for (const { remedy } of [cache!, vacuum!]) await log.client.query(remedy!)
    const left = (await examine(log.env)).troubles.map(({ check }) => check)
    expect(new Set(left)).toEqual(new Set(['tables: columns and indexes']))
  })

  it('finds what a role may not do or see', async () => {
    const log = await openLog()
    const role = `doctor_${process.pid}`
    await log.client.query(`
      create role ${role} login;
      grant select on all tables in schema public to ${role};
      alter table outbox_events enable row level security`)
    const url = new URL(log.url)
    url.username = role
    try {
      const { troubles } = await examine({ DATABASE_URL: url.href })
      const remedies = Object.fromEntries(troubles.map(({ check, remedy }) => [check, remedy]))
      expect(remedies['tables: privileges']).toBe(
        `grant delete on "outbox_events" to ${role}; grant insert, update on "outbox_relays" to ${role}; grant insert, update, delete on "outbox_dead_letters" to ${role}`,
      )
      expect(remedies['tables: row-level security']).toContain(`alter role ${role} bypassrls`)
      await log.client.query(`${remedies['tables: privileges']}; alter role ${role} bypassrls`)
      const cured = (await examine({ DATABASE_URL: url.href })).troubles.map(({ check }) => check)
      expect(cured).toEqual(['relay: lease']) // that has never run
    } finally {
      await log.client.query(`drop owned by ${role}; drop role ${role}`)
    }
  })

  it('says what to do where there is no table, and no server', async () => {
    const log = await openLog()
    await log.client.query('drop table outbox_events')
    const [missing, unreachable] = [
      await examine(log.env),
      await examine({ DATABASE_URL: 'postgres://127.0.0.1:1/none' }),
    ]
    expect(missing.troubles).toMatchObject([
      { check: 'tables: tables', remedy: expect.stringContaining('npx drizzle-outbox migrate') },
    ])
    expect(unreachable.troubles).toMatchObject([
      { check: 'database: reachable', message: expect.stringContaining('ECONNREFUSED') },
    ])
    expect(unreachable.code).toBe(3)
  })

  it('knows which transactions are open for long, and how to end them', async () => {
    const { client, db } = await openLog()
    const idle = await client.connect()
    idle.on('error', () => {})
    await idle.query('begin')
    await idle.query(`set local application_name = 'forgotten'`)
    await idle.query('select 1')
    const { log } = db['~drizzle-outbox']
    const { oldTransactions } = await readDatabaseFacts(log, 0)
    const found = oldTransactions.find(({ what }) => what.includes('(forgotten)'))
    expect(found?.what).toMatch(/^idle in transaction, of role /)
    await client.query(found!.remedy)
    await expect(idle.query('select 1')).rejects.toThrow()
    idle.release(true)
    expect((await readDatabaseFacts(log, 3_600_000)).oldTransactions).toEqual([])
  })
})

describeWithNats('doctor of a stream', (natsUrl) => {
  const stream = `DOCTOR-${process.pid}`

  it('finds every setting that breaks the promise, and what to type', async () => {
    const log = await openLog()
    const connection = await connect({ servers: natsUrl })
    const { streams } = await jetstreamManager(connection)
    const env = { ...log.env, TEST_PUBLISHER: 'jetstream', NATS_URL: natsUrl, TEST_STREAM: stream }
    try {
      const before = (await examine(env)).troubles.filter(({ check }) => check.startsWith('destination'))
      expect(before).toEqual([]) // the relay makes it
      await streams.add({
        name: stream,
        subjects: ['elsewhere.>'],
        max_msgs: 10,
        max_msg_size: 1000,
        max_msgs_per_subject: 5,
        duplicate_window: 1e9,
      })
      const { code, troubles } = await examine(env)
      expect(code).toBe(3)
      const found = troubles.filter(({ check }) => check.startsWith('destination'))
      expect(found.map(({ check, remedy }) => [check.replace('destination: ', ''), remedy])).toEqual([
        ['limit per subject', `nats stream edit ${stream} --max-msgs-per-subject=-1`],
        ['subjects', `nats stream edit ${stream} --subjects 'elsewhere.>,${stream.toLowerCase()}.>'`],
        ['discard policy', `nats stream edit ${stream} --discard new`],
        ['duplicate window', `nats stream edit ${stream} --dupe-window 20s`],
        ['message size', `nats stream edit ${stream} --max-msg-size 589824`],
      ])
      const relay = await project.run(['relay', '--once'], env)
      expect(relay.stderr).toContain('ERR_OUTBOX_STREAM_UNFIT')
    } finally {
      await streams.delete(stream).catch(() => {})
      await connection.close()
    }
  })

  it('knows a stream that is gone, or was made anew, and has lost what it had acknowledged', async () => {
    const log = await openLog()
    await log.record('1')
    const connection = await connect({ servers: natsUrl })
    const { streams } = await jetstreamManager(connection)
    const name = `${stream}-LOST`
    const env = { ...log.env, TEST_PUBLISHER: 'jetstream', NATS_URL: natsUrl, TEST_STREAM: name }
    const found = async () =>
      (await examine(env)).troubles.filter(({ check }) => check.startsWith('destination'))
    try {
      await project.run(['relay', '--once'], env)
      expect(await found()).toEqual([])
      await streams.delete(name)
      expect(await found()).toMatchObject([
        { check: 'destination: stream', level: 'error', message: expect.stringContaining('is gone') },
      ])
      const relay = await project.run(['relay', '--once', '--timeout', '2s'], env)
      expect(relay.stderr).toContain('has lost events that it had acknowledged')
      expect(await found()).toMatchObject([
        {
          check: 'destination: acknowledged events',
          level: 'error',
          remedy: expect.stringContaining('npx drizzle-outbox replay'),
        },
      ])
      await project.run(['replay', '--all', '--yes'], env)
      expect(await found()).toEqual([])
      await project.run(['relay', '--once'], env)
      expect(await found()).toEqual([])
    } finally {
      await streams.delete(name).catch(() => {})
      await connection.close()
    }
  })

  it('says that there is no server', async () => {
    const log = await openLog()
    const { troubles } = await examine({ ...log.env, TEST_PUBLISHER: 'jetstream', NATS_URL: '127.0.0.1:1' })
    expect(troubles.at(-1)).toMatchObject({ check: 'destination: reachable', level: 'error' })
  })
})

describeWithPgBouncer('doctor behind PgBouncer', { pool_mode: 'transaction' }, (bouncer) => {
  it('notices that sessions are taken apart', async () => {
    const log = await openLog()
    const url = new URL(bouncer().url)
    url.pathname = new URL(log.url).pathname
    const { stdout } = await project.run(['doctor'], { DATABASE_URL: url.href })
    expect(stdout).toMatch(/✓ pooler +a notification to ourselves did not arrive: there is a pooler/)
  })
})
