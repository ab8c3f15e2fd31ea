/** The harness: reads the log as the relay does, and is restarted in mid-read. */
import { setTimeout as sleep } from 'node:timers/promises'
import { isOutboxError } from 'drizzle-outbox'
import { claimRelay, releaseRelay } from '../../src/event-log/relay-row.js'
import type { Db } from '../support/outbox-databases.js'
import { SOURCE } from './accounts.js'
import { Deliveries } from './deliveries.js'
import type { Load, Subject } from './subject.js'

/** Where a reader can die. */
export type Moment = 'before a window' | 'before a page' | 'page read' | 'page delivered' | 'checkpointed'

export interface ReadingOptions {
  readonly load: Load
  /** When it turns true, the reader reads to the end of the log and is done. */
  readonly writersDone: () => boolean
  readonly pageSize?: number
  /** Whether the reader dies here. */
  readonly dies?: (moment: Moment) => boolean
  /** Whether its successor raises the epoch, as another process would. */
  readonly raisesEpoch?: () => boolean
  /** Whether a page that was delivered is checkpointed. */
  readonly checkpoints?: () => boolean
  /** Awaited after each look that found nothing. */
  readonly idle?: () => Promise<unknown>
}

export interface Reading {
  readonly deliveries: Deliveries
  windows: number
  pages: number
  restarts: number
  takeovers: number
  /** Readers that were taken over and yet could write. */
  unfenced: number
}

const claim = async (db: Db) => (await claimRelay(db['~drizzle-outbox'].log, 'faults', 'test', 600_000))!

export async function readThroughRestarts(db: Db, options: ReadingOptions): Promise<Reading> {
  const { load, writersDone, pageSize = 7, dies = never, raisesEpoch = never } = options
  const { checkpoints = always, idle = () => sleep(2) } = options
  const { log } = db['~drizzle-outbox']
  const deliveries = new Deliveries()
  const reading: Reading = { deliveries, windows: 0, pages: 0, restarts: 0, takeovers: 0, unfenced: 0 }
  let held = await claim(db)
  let reader = await load(log, held, SOURCE)

  for (;;) {
    const last = writersDone()
    if (dies('before a window')) await restart()
    if (await reader.openWindow()) {
      reading.windows++
      if (!(await readWindow())) await restart()
    } else if (last) break
    else await idle()
  }
  await releaseRelay(log, held)
  return reading

  /** False: the reader died on the way. */
  async function readWindow(): Promise<boolean> {
    let after = reader.page
    for (;;) {
      if (dies('before a page')) return false
      const page = await reader.readPage(after, pageSize)
      reading.pages++
      if (dies('page read')) return false
      deliveries.deliver(page.events)
      if (dies('page delivered')) return false
      if (page.end === undefined) break
      after = page.end
      if (!checkpoints()) continue
      await reader.checkpoint({ position: after })
      deliveries.saved(after)
      if (dies('checkpointed')) return false
    }
    await reader.closeWindow({ position: after })
    deliveries.saved()
    return true
  }

  async function restart(): Promise<void> {
    reading.restarts++
    deliveries.restarted()
    if (raisesEpoch()) {
      reading.takeovers++
      await releaseRelay(log, held)
      held = await claim(db)
      // The reader that was taken over is not dead: it only thinks so slowly.
      if (!(await isFenced(reader))) reading.unfenced++
    }
    reader = await load(log, held, SOURCE)
  }
}

async function isFenced(reader: Subject): Promise<boolean> {
  try {
    // An open window is no news to its reader: only the checkpoint writes then.
    if (await reader.openWindow()) await reader.checkpoint({ position: 1 })
    return false
  } catch (error) {
    if (isOutboxError(error) && error.code === 'ERR_OUTBOX_LEASE_LOST') return true
    throw error
  }
}

const never = () => false
const always = () => true
