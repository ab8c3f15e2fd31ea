/** Strikes at transactions, one after the other, and sees to it that everything is well after each. */
import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'drizzle-orm'
import { isOutboxError, resolveCommit } from 'drizzle-outbox'
import { type Db, type Driver, openDatabase } from '../../support/outbox-databases.js'
import { HANGS, settle } from './deadline.js'
import { findFaults, findUntold, stateOf, wholeness } from './judge.js'
import { type Ending, play, type Scenario } from './scenario.js'
import { Order, placeOrder } from './shop.js'
import { type Uncaught, watchUncaught } from './uncaught.js'
import type { openWithoutFence } from './without-fence.js'
import type { World } from './world.js'

export interface Report {
  readonly scenario: string
  /** Whether the transaction got to the moment at all: not every driver sends every statement. */
  readonly struck: boolean
  readonly faults: readonly string[]
  readonly ended: Ending['ended']
  readonly whole: 'all' | 'nothing' | undefined
  readonly error: unknown
}

/** Of asking a pool that has lost connections. */
const ROUNDS = 50

let played = 0

export interface CampaignOptions {
  readonly driver: Driver
  readonly scenarios: readonly Scenario[]
  /** In place of the database with an outbox: a mutant of it. */
  readonly openWith?: typeof openDatabase | typeof openWithoutFence
  /** Called as soon as there is one more. */
  readonly onReport?: (report: Report) => void
}

export async function phantomCampaign(world: World, options: CampaignOptions): Promise<Report[]> {
  const uncaught = watchUncaught()
  const reports: Report[] = []
  try {
    for (const scenario of options.scenarios) {
      const report = await playAndJudge(world, options, scenario, uncaught)
      reports.push(report)
      options.onReport?.(report)
    }
  } finally {
    uncaught.stop()
  }
  return reports
}

async function playAndJudge(
  world: World,
  { driver, openWith = openDatabase }: CampaignOptions,
  scenario: Scenario,
  uncaught: Uncaught,
): Promise<Report> {
  const name = `scenario ${++played}`
  const order = new Order(`order ${played}`)
  const open = openWith(world.urlFor(name), driver, { connections: scenario.max })
  const ending = await play(world, open, name, order, scenario)
  const resolving = resolve(ending.error)
  await ending.clear()
  const resolved = await settle(resolving)
  // A backend whose client is gone may still be at work.
  await world.endAll(name, 500)
  const state = await world.aside((session) => stateOf(session, order.id))
  const whole = wholeness(state)
  const faults = findFaults(state, ending, scenario)
  if (whole !== undefined) faults.push(...findUntold(order, whole, resolved))
  if ((await settle(servesAll(open.db, scenario.max))) === HANGS)
    faults.push('a connection of the pool hangs')
  else if (whole === 'nothing') faults.push(...(await tryAgain(world, open.db, order)))
  if ((await settle(open.close())) === HANGS) faults.push('the pool cannot be closed')
  await world.endAll(name, 0)
  faults.push(...(await uncaught.take()).map((error) => `would have ended the process: ${error}`))
  const { struck, ended, error } = ending
  return { scenario: describeScenario(scenario, driver), struck, faults, ended, whole, error }
}

/**
 * As many transactions at a time as the pool has connections, until all of them get through: a connection may turn out
 * to be dead.
 */
async function servesAll(db: Db, max: number): Promise<string[]> {
  for (let round = 1; ; round++) {
    let inside = 0
    let letOut = (): void => {}
    const out = new Promise<void>((resolve) => {
      letOut = resolve
    })
    const meet = async () => {
      try {
        await db.transaction(async (tx) => {
          await tx.execute(sql`select 1`)
          if (++inside === max) void letOut()
          await out
        })
      } catch (error) {
        void letOut()
        return [`the pool does not serve: ${error}`]
      }
      return []
    }
    const failures = (await Promise.all(Array.from({ length: max }, meet))).flat()
    if (failures.length === 0 || round === ROUNDS) return failures
    await sleep(20)
  }
}

/** What the library makes of an unknown COMMIT. */
async function resolve(error: unknown): Promise<unknown> {
  if (!isOutboxError(error) || error.code !== 'ERR_OUTBOX_COMMIT_UNKNOWN') return undefined
  try {
    return await resolveCommit(error)
  } catch (failed) {
    return failed
  }
}

/** The same aggregate once more: then everything is there, once. */
async function tryAgain(world: World, db: Db, order: Order): Promise<string[]> {
  const telling = { stubborn: false, reached: async () => {} }
  try {
    await db.transaction((tx) => placeOrder(tx, order, telling))
  } catch (error) {
    return [`cannot be tried again: ${error}`]
  }
  const state = await world.aside((session) => stateOf(session, order.id))
  return wholeness(state) === 'all' ? [] : [`after another try: ${JSON.stringify(state)}`]
}

function describeScenario({ blow, moment, stubborn, max, patienceMs }: Scenario, driver: Driver): string {
  const manner = stubborn ? 'goes on' : 'lets errors through'
  return `${driver}, ${max} connections: ${blow} while ${moment.name}; ${manner} after ${patienceMs} ms`
}
