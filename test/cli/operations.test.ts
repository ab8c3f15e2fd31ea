/** Looking after a log from a shell: what commands print for people and for machines, and what they change. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { orderEvents } from '../support/drivers.js'
import { type CliProject, createCliProject } from './cli-project.js'
import { type JsonCommand, jsonSchemas, toJsonSchema } from './json-schemas.js'
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

async function openLog(...orders: string[]): Promise<TestLog> {
  const log = await openTestLog()
  logs.push(log)
  await log.record(...orders)
  return log
}

/** Runs it with `--json`, whatever its exit code, and checks every line that it prints. */
async function json<C extends JsonCommand>(
  command: C,
  log: TestLog,
  args: readonly string[] = [],
  env: Record<string, string> = {},
) {
  const words = command.split(' ').filter((word) => !args.includes(word))
  const { code, stdout, stderr } = await project.run([...words, ...args, '--json'], { ...log.env, ...env })
  const lines = stdout.split('\n').filter((line) => line !== '')
  const values = lines.map((line) => jsonSchemas[command].parse(JSON.parse(line)))
  return { code, stderr, values: values as (typeof jsonSchemas)[C]['_output'][] }
}

it('the schemas of what is printed as JSON are documented', async () => {
  const text = `${JSON.stringify(toJsonSchema(), null, 2)}\n`
  await expect(text).toMatchFileSnapshot('../../docs/cli.schema.json')
})

describe('migrate', () => {
  it('makes the tables, and says what it would do before', async () => {
    const log = await openLog()
    await log.client.query(
      'drop table outbox_events, outbox_aggregates, outbox_relays, outbox_dead_letters, outbox_migrations',
    )
    const first = await json('migrate', log, ['--dry-run'])
    expect(first.values).toMatchObject([{ from: null, to: 4, dryRun: true }])
    expect((await json('migrate', log)).values).toMatchObject([{ from: null, to: 4, dryRun: false }])
    const again = await project.run(['migrate'], log.env)
    expect(again.stdout).toBe('"outbox_events" and the other tables are at version 4: nothing to do\n')
  })
})

describe('sql', () => {
  it('prints what makes the tables, in a schema too, and nothing when nothing is missing', async () => {
    const log = await openLog()
    const made = await project.run(['sql', '--schema', 'messaging', '--prefix', 'shop_'])
    await log.client.query(made.stdout)
    const { rows } = await log.client.query(
      `select table_name as name from information_schema.tables where table_schema = 'messaging' order by 1`,
    )
    expect(rows.map(({ name }) => name)).toEqual([
      'shop_aggregates',
      'shop_dead_letters',
      'shop_events',
      'shop_relays',
    ])

    const missing = await project.run(['sql', '--missing'], log.env)
    expect(missing).toMatchObject({ code: 0, stdout: '' })
    expect(missing.stderr).toContain('nothing is missing')
  })

  it('prints what earlier tables lack, which brings them up to date', async () => {
    const log = await openLog()
    const all = (await project.run(['sql'])).stdout
    const { client } = log
    await client.query(
      'drop table outbox_events, outbox_aggregates, outbox_relays, outbox_dead_letters, outbox_migrations',
    )
    await client.query(all.slice(0, all.indexOf('-- drizzle-outbox, tables of version 4')))
    const missing = await project.run(['sql', '--missing'], log.env)
    expect(missing.stdout).toMatch(/^-- drizzle-outbox, tables of version 4\n/)
    await client.query(missing.stdout)
    const after = await project.run(['doctor'], log.env)
    expect(after.stdout).toMatch(
      /version 4, made by the application's migrations\n.*columns and indexes +as they should be/,
    )
  })
})

describe('status', () => {
  it('says who leads and what waits, by exit code too', async () => {
    const log = await openLog('1', '2')
    const never = await json('status', log)
    expect(never.values[0]).toMatchObject({ relays: [] })
    expect(never.code).toBe(3)

    await json('relay --once', log)
    expect(await json('status', log)).toMatchObject({ code: 0, values: [{ problems: [] }] })
    await log.record('3')
    const people = await project.run(['status'], log.env)
    expect(people.code).toBe(3)
    expect(people.stdout).toMatch(/^relay +lease +holder +epoch +pending/m)
    expect(people.stdout).toMatch(/^configured +free +- +1 +1 /m)
    expect(people.stdout).toContain('1 event to publish, and nobody leads')
  })

  it('watches until it is stopped', async () => {
    const log = await openLog()
    const watching = project.start(['status', '--watch', '--interval', '50ms', '--json'], log.env)
    await watching.wrote('stdout', /\n.*\n.*\n/)
    watching.kill('SIGINT')
    expect((await watching.ended).code).toBe(0)
  })
})

describe('events', () => {
  it('are found by aggregate, type, time and id, with the data as they are stored', async () => {
    const log = await openLog('1', '2', 'a/b', '1')
    await log.db.transaction(async (tx) => tx.outbox.add(orderEvents.shipped('2', { carrier: 'dhl' })))
    // Rows from elsewhere: a number that JavaScript would change, on two lines.
    await log.client.query(`
      insert into outbox_events (id, aggregate_type, aggregate_id, aggregate_version, type, data)
      values (gen_random_uuid(), 'order', 'big', 1, 'order.placed', E'{"total":\n12345678901234567890}')`)
    const ids = async (...args: string[]) =>
      (await json('events', log, args)).values.map(({ aggregateId }) => aggregateId)
    expect(await ids()).toEqual(['1', '2', 'a/b', '1', '2', 'big'])
    expect(await ids('--limit', '2')).toEqual(['2', 'big'])
    expect(await ids('--all', '--aggregate', 'order/a/b')).toEqual(['a/b'])
    expect(await ids('--type', 'order.shipped', '--since', '1h')).toEqual(['2'])
    expect(await ids('--aggregate', 'order', '--until', '1h')).toEqual([])

    const [first] = (await json('events', log, ['--aggregate', 'order/1'])).values
    const one = await project.run(['events', first!.id], log.env)
    expect(one.stdout).toMatch(/aggregateVersion +1\n/)
    expect(one.stdout).toContain('"total": 1')
    const none = await project.run(['events', '00000000-0000-4000-8000-000000000000'], log.env)
    expect(none).toMatchObject({ code: 1, stdout: '' })
  })

  it('cannot play tricks on a terminal', async () => {
    const log = await openLog('\u001b[2J\u009b31m\u202e')
    const { stdout } = await project.run(['events'], { ...log.env, NO_COLOR: '' })
    expect(stdout).toContain('order/\\u{1b}[2J\\u{9b}31m\\u{202e} #1')
    for (const hidden of ['\u001b', '\u009b', '\u202e']) expect(stdout).not.toContain(hidden)
  })

  it('are followed as they become visible, those with an earlier position too', async () => {
    const log = await openLog('1')
    const late = await log.client.connect()
    await late.query('begin')
    await late.query(`
      insert into outbox_events (id, aggregate_type, aggregate_id, aggregate_version, type, data)
      values (gen_random_uuid(), 'order', 'late', 1, 'order.placed', '{}')`)
    const following = project.start(['events', '--follow', '--json'], log.env)
    await following.wrote('stdout', /"aggregateId":"1"/)
    await log.record('2')
    await following.wrote('stdout', /"aggregateId":"2"/)
    await late.query('commit')
    late.release()
    await following.wrote('stdout', /"aggregateId":"late"/)
    following.kill('SIGTERM')
    const { code, stdout } = await following.ended
    expect(code).toBe(0)
    expect(stdout.trim().split('\n')).toHaveLength(3)
  })

  it('end without a complaint when the reader has seen enough', async () => {
    const log = await openLog('1')
    const following = project.start(['events', '--follow'], log.env)
    await following.wrote('stdout', /order\/1/)
    following.closeStdout()
    await log.record('2')
    expect(await following.ended).toMatchObject({ code: 0, stderr: '' })
  })
})

describe('dead letters', () => {
  const refusing = { TEST_PUBLISHER: 'refusing', TEST_REFUSED: 'bad' }

  it('are listed, shown, retried and discarded', async () => {
    const log = await openLog('good', 'bad', 'bad')
    await json('relay --once', log, [], refusing)
    const { values } = await json('dead list', log)
    expect(values).toMatchObject([
      { aggregateId: 'bad', state: 'parked', waiting: 1, error: { code: 'ERR_OUTBOX_EVENT_REFUSED' } },
    ])
    const { eventId } = values[0]!
    const shown = await project.run(['dead', 'show', eventId], log.env)
    expect(shown.stdout).toMatch(/later events +wait for it: 1\n/)
    expect((await project.run(['status'], log.env)).code).toBe(3)

    // Without a relay nothing is waited for; with one, for how it ends.
    const retried = await json('dead retry', log, ['--all', '--yes'])
    expect(retried.values).toMatchObject([{ retried: 1, done: false }])
    await json('relay --once', log, [], refusing)
    const worker = project.start(['relay'], { ...log.env, ...refusing })
    await worker.wrote('stderr', /leads/)
    const refused = await json('dead retry', log, [eventId, '--yes'])
    expect(refused).toMatchObject({ code: 3, values: [{ retried: 1, refused: 1, done: true }] })

    expect((await json('dead discard', log, ['--aggregate', 'order/bad', '--yes'])).values).toEqual([
      { relay: 'configured', discarded: 1 },
    ])
    await expect
      .poll(async () => (await json('dead list', log)).values, { timeout: 30_000 })
      .toMatchObject([{ state: 'parked', waiting: 0 }])
    worker.kill('SIGTERM')
    await worker.ended

    const cured = project.start(['relay'], log.env)
    await cured.wrote('stderr', /leads/)
    const published = await json('dead retry', log, ['--all', '--yes'])
    expect(published).toMatchObject({ code: 0, values: [{ retried: 1, refused: 0, done: true }] })
    cured.kill('SIGTERM')
    await cured.ended
    expect((await json('dead list', log)).values).toEqual([])
    const nothing = await project.run(['dead', 'discard', '--all'], log.env)
    expect(nothing).toMatchObject({ code: 0, stderr: '' })
    const mistyped = await project.run(['dead', 'list', '--relay', 'configurd'], log.env)
    expect(mistyped.stderr).toBe(
      'No relay configurd has ever run on this log; those that have: configured.\n',
    )
  })
})

describe('replay', () => {
  it('says how much it would be, asks, and waits for a relay that leads', async () => {
    const log = await openLog('1', '2', '3')
    await json('relay --once', log)
    const dry = await json('replay', log, ['--position', '2', '--dry-run'])
    expect(dry.values).toEqual([{ relay: 'configured', position: 2, events: 2, done: false }])
    const unasked = await project.run(['replay', '--all'], log.env)
    expect(unasked.code).toBe(2)
    expect(unasked.stderr).toContain('Relay configured will publish 3 events again, from position 1 on.')
    expect(await log.relays()).toMatchObject([{ replays: 0 }])

    const worker = project.start(['relay'], log.env)
    await worker.wrote('stderr', /leads/)
    const done = await json('replay', log, ['--all', '--yes'])
    expect(done).toMatchObject({ code: 0, values: [{ events: 3, done: true }] })
    worker.kill('SIGTERM')
    expect((await worker.ended).stderr).toContain('published 3 events')
  })

  it('is cancelled, and needs a relay that has run', async () => {
    const log = await openLog('1')
    const none = await project.run(['replay', '--all', '--yes'], log.env)
    expect(none.code).toBe(1)
    expect(none.stderr).toContain('there is no relay configured')
    await json('relay --once', log)
    const begun = await project.run(['replay', '--time', '1h', '--yes'], log.env)
    expect(begun.stderr).toContain('it begins when one is started')
    expect((await json('replay --cancel', log)).values).toEqual([{ relay: 'configured', cancelled: true }])
    expect((await json('replay --cancel', log)).values).toEqual([{ relay: 'configured', cancelled: false }])
  })
})

describe('prune and forget', () => {
  it('delete what is published, and then what a relay that is gone held back', async () => {
    const log = await openLog('1', '2')
    await Promise.all([json('relay --once', log), json('relay --once', log, ['--name', 'trial'])])
    await log.record('3')
    await json('relay --once', log)
    const prune = () => json('prune', log, ['--older-than', '0s', '--yes'])
    expect((await prune()).values).toEqual([{ deleted: 2, olderThanMs: 0 }])
    expect((await json('forget', log, ['trial', '--yes'])).values).toEqual([
      { relay: 'trial', forgotten: true },
    ])
    expect((await prune()).values).toEqual([{ deleted: 1, olderThanMs: 0 }])
  })
})

describe('rebase', () => {
  it('carries checkpoints over that belong to another database cluster, once it may', async () => {
    const log = await openLog('1')
    await json('relay --once', log)
    await log.client.query(
      "update outbox_events set type = type; update outbox_relays set cluster = 'another'",
    )
    await log.record('2')
    expect(await json('rebase', log)).toMatchObject({ code: 2, values: [] })
    const { values } = await json('doctor', log)
    expect(values.flatMap(({ findings }) => findings)).toContainEqual(
      expect.objectContaining({ check: 'origin of the log', remedy: 'npx drizzle-outbox rebase' }),
    )
    expect((await json('rebase', log, ['--yes'])).values).toEqual([{ rebased: true }])
    expect((await json('rebase', log, ['--yes'])).values).toEqual([{ rebased: false }])
    expect((await json('relay --once', log)).values).toEqual([expect.objectContaining({ published: 1 })])
  })
})
