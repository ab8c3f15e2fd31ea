/** One transaction, struck at one moment, and what became of it. */
import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'drizzle-orm'
import type { Db, OpenDatabase, Tx } from '../../support/outbox-databases.js'
import { HANGS, settle } from './deadline.js'
import type { Busy, Moment } from './moments.js'
import { type Order, placeOrder, type Step } from './shop.js'
import type { Blow, World } from './world.js'

export interface Scenario {
  readonly blow: Blow
  readonly moment: Moment
  /** The callback catches every error and goes on. */
  readonly stubborn: boolean
  /** Size of the pool. */
  readonly max: number
  /** How long the callback waits after the blow: at once, the client does not know of it yet. */
  readonly patienceMs: number
}

export interface Ending {
  /** The blow fell. */
  readonly struck: boolean
  readonly ended: 'resolved' | 'rejected' | 'hangs'
  readonly error?: unknown
  /** Whether the callback, which may have run on, has come to an end. */
  readonly callbackEnded: boolean
  /** Lets go on what a statement of the transaction has been waiting for, should it still run on the server. */
  readonly clear: () => Promise<void>
}

export async function play(
  world: World,
  { db }: Pick<OpenDatabase, 'db'>,
  name: string,
  order: Order,
  scenario: Scenario,
): Promise<Ending> {
  const { moment, stubborn, blow, patienceMs } = scenario
  let struck = false
  let callback: Promise<void> | undefined
  const strikeIdle = async (step: Step) => {
    if (struck || moment.kind !== 'idle' || step !== moment.before) return
    const victim = await world.findVictim(name, `state = 'idle in transaction'`)
    struck = true
    await world.strike(blow, victim)
    await sleep(patienceMs)
  }
  let striking: Promise<void> | undefined
  if (moment.kind === 'wire')
    world.proxy.setTrap({
      ...moment,
      spring: ({ port }) => {
        struck = true
        striking = world
          .findVictim(name, `client_port = ${port}`)
          .then((victim) => world.strike(blow, victim))
        return striking
      },
    })

  const detour = moment.kind === 'busy' ? moment.detour : undefined
  const telling = { stubborn, reached: strikeIdle, ...(detour !== undefined && { detour }) }
  const tell = () =>
    db.transaction((tx: Tx) => {
      callback = placeOrder(tx, order, telling)
      return callback
    })
  const work = otherWork(db)
  const told = async (): Promise<Pick<Ending, 'ended' | 'error'>> => {
    try {
      const ended = await settle(moment.kind === 'busy' ? tellWhileStruck(moment) : tell())
      return { ended: ended === HANGS ? 'hangs' : 'resolved' }
    } catch (error) {
      return { ended: 'rejected', error }
    }
  }
  let clear = async () => {}
  const tellWhileStruck = async (busy: Busy) => {
    const session = await world.openSession()
    clear = () => session.end()
    await session.query('begin')
    await session.query(busy.obstacle(order.id))
    const result = tell()
    result.catch(() => {})
    await world.strike(blow, await world.findVictim(name, busy.shows))
    struck = true
    await sleep(patienceMs)
    return result
  }
  const { ended, error } = await told()
  const callbackEnded = (await settle(Promise.resolve(callback).catch(() => {}))) !== HANGS
  await striking // the client may know before it is over
  await work.stop()
  world.proxy.setTrap(undefined)
  return { struck, ended, error, callbackEnded, clear }
}

/** Keeps the pool busy, so that a slot that has lost its connection gets another one. */
function otherWork(db: Db): { stop(): Promise<unknown> } {
  let stopped = false
  const ask = async () => {
    while (!stopped) {
      await Promise.resolve(db.execute(sql`select 1`)).catch(() => {})
      await sleep(1)
    }
  }
  const asked = Promise.all([ask(), ask()])
  return {
    stop: () => {
      stopped = true
      return settle(asked)
    },
  }
}
