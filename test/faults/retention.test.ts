/**
 * Retention on logs in every state, against a model; and the statement without each of its clauses, which must be found
 * out. `OUTBOX_TEST_RUNS` asks for more logs.
 */
import { sql } from 'drizzle-orm'
import { describe, expect, it } from 'vitest'
import type { EventLog } from '../../src/event-log/database.js'
import { pruneBatch } from '../../src/event-log/retention.js'
import type { Db } from '../support/outbox-databases.js'
import { Random, runSeed } from '../support/random.js'
import { eachInDatabase } from './each-in-database.js'
import { forgetting, forgotten } from './mutants/forgetful-retention.js'
import { type LogState, makeRandomLog, RETENTION_MS, readState } from './random-log.js'

const runs = Number(process.env.OUTBOX_TEST_RUNS ?? 25)

describe('retention', () => {
  const fresh = eachInDatabase()

  it(`deletes what it may of any log, and nothing else; without a clause it would not (seed ${runSeed})`, async () => {
    const { open } = fresh()
    const random = new Random(runSeed)
    const notFound = new Set(Object.keys(forgotten))
    notFound.delete('that others delete, too') // found below
    let deleted = 0
    for (let run = 0; run < runs; run++) {
      const state = await makeRandomLog(open.db, random)
      deleted += state.served.length
      expect(await stateAfter(open.db, (log) => log)).toEqual(expectedOf(state))
      for (const [name, clause] of Object.entries(forgotten).filter(([name]) => notFound.has(name))) {
        const after = await stateAfter(open.db, (log) => forgetting(log, clause))
        if (JSON.stringify(after) !== JSON.stringify(expectedOf(state))) notFound.delete(name)
      }
    }
    expect([...notFound]).toEqual([])
    expect(deleted).toBeGreaterThan(runs)
  }, 120_000)

  it('leaves it to one process at a time, or they could deadlock', async () => {
    const { open } = fresh()
    const state = await makeRandomLog(open.db, new Random(3))
    expect(state.served).not.toEqual([])
    const { log } = open.db['~drizzle-outbox']
    await open.db.transaction(async (other) => {
      await pruneBatch({ ...log, db: other }, 0, 1e15) // deletes nothing, and holds the lock until its end
      expect(await pruneBatch(log, 0, RETENTION_MS)).toMatchObject({ events: 0, busy: true })
      const forgetful = forgetting(log, forgotten['that others delete, too'])
      expect(await pruneBatch(forgetful, 0, RETENTION_MS)).toMatchObject({ events: state.served.length })
    })
  })

  it('says where it has to wait, and not for what an operator or a wrong clock keeps', async () => {
    const { open } = fresh()
    const { db } = open
    const { log } = db['~drizzle-outbox']
    await db.execute(sql`
      insert into outbox_events (id, aggregate_type, aggregate_id, aggregate_version, type, data, occurred_at)
      select gen_random_uuid(), 'account', 'a', n, 'account.noted', '{}', clock_timestamp() + days * interval '1 day'
      from unnest(array[-1, 5, -1, 0, -1]) with ordinality as age (days, n)`)
    await db.execute(sql`
      insert into outbox_relays (name, snapshot, cluster, epoch)
      select 'r', pg_current_snapshot(), system_identifier::text, 1 from pg_control_system()`)
    await db.execute(sql`
      insert into outbox_dead_letters (relay, position, event_id, aggregate_type, aggregate_id, type, state)
      values ('r', 3, gen_random_uuid(), 'account', 'a', 'account.noted', 'parked')`)
    expect(await pruneBatch(log, 0, RETENTION_MS)).toEqual({ events: 2, last: 5, waits: 4, busy: false })
    expect((await readState(db)).positions).toEqual([2, 3, 4])
    expect(await pruneBatch(log, 4, RETENTION_MS)).toMatchObject({
      events: 0,
      last: undefined,
      waits: undefined,
    })
  })
})

function expectedOf({ positions, served, letters }: LogState) {
  return { positions: positions.filter((position) => !served.includes(position)), letters }
}

/** The state after a statement, which is rolled back. */
async function stateAfter(db: Db, mutate: (log: EventLog) => EventLog) {
  const rollback = new Error('on purpose')
  let state: Awaited<ReturnType<typeof readState>> | undefined
  const run = db.transaction(async (tx) => {
    await pruneBatch(mutate({ ...db['~drizzle-outbox'].log, db: tx }), 0, RETENTION_MS)
    state = await readState(tx)
    throw rollback
  })
  await expect(run).rejects.toBe(rollback)
  return state
}
