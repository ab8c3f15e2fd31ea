/** Which event draws which position must not be the planner's choice: here it may only merge-join. */
import { sql } from 'drizzle-orm'
import { expect, it } from 'vitest'
import { query } from '../../src/event-log/database.js'
import { readLog } from '../../src/event-log/read-log.js'
import { drivers, openDatabase } from '../support/outbox-databases.js'
import { Random, runSeed } from '../support/random.js'
import { freshDatabase } from '../support/servers.js'
import { accountEvents, createTables, SOURCE } from './accounts.js'
import { outOfOrder } from './find-faults.js'

it.each(drivers)(`gives positions in the order recorded, over %s (seed ${runSeed})`, async (driver) => {
  const database = await freshDatabase()
  const open = openDatabase(database.url, driver, {
    connections: 12,
    settings: { enable_hashjoin: 'off', enable_nestloop: 'off' },
  })
  try {
    await createTables(open)
    const [row] = await query<{ value: string }>(
      open.db['~drizzle-outbox'].log,
      sql`select current_setting('enable_hashjoin') as value`,
    )
    expect(row?.value).toBe('off')

    const random = new Random(runSeed)
    const anyAccount = () => `a${random.below(6)}`
    // Of one event, of several of one account, of several of several: a statement for each.
    const flushes = random.times(300, () => {
      const only = random.chance(0.4) ? anyAccount() : undefined
      return random.times(1 + random.below(9), () => accountEvents.noted(only ?? anyAccount(), { text: '' }))
    })
    const recorded = flushes.map((events) => events.map(({ id }) => id))
    const write = async () => {
      for (let events = flushes.pop(); events !== undefined; events = flushes.pop()) {
        const flush = events
        await open.db.transaction(async (tx) => tx.outbox.add(...flush))
      }
    }
    await Promise.all(Array.from({ length: 12 }, write))

    const log = await readLog(open.db['~drizzle-outbox'].log, SOURCE)
    expect(outOfOrder(log)).toEqual([])
    const positions = new Map(log.map(({ id, position }) => [id, position]))
    for (const ids of recorded) {
      const drawn = ids.map((id) => positions.get(id)!)
      expect(drawn).toEqual([...drawn].sort((a, b) => a - b))
    }
    expect(log).toHaveLength(recorded.flat().length)
  } finally {
    await open.close()
    await database.drop()
  }
})
