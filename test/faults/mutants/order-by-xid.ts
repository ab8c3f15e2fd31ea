/** Mutant: within a window, the order of transaction ids in place of the order of positions. */
import { sql } from 'drizzle-orm'
import { query } from '../../../src/event-log/database.js'
import { LogReader, pageOf } from '../../../src/event-log/log-reader.js'
import type { Load } from '../subject.js'

export const orderByXid: Load = async (log, claim, source) => {
  const reader = await LogReader.load(log, claim, source)
  return {
    page: 0,
    openWindow: () => reader.openWindow(),
    closeWindow: (progress) => reader.closeWindow(progress),
    // A position says nothing about what came before it here: a restart begins the window again.
    checkpoint: async () => {},
    readPage: async (after, limit) => {
      const rows = await query<{ position: string; xid: string }>(
        log,
        sql`select position::text, xid::text from outbox_events`,
      )
      const xids = new Map(rows.map(({ position, xid }) => [Number(position), Number(xid)]))
      const xidOf = (position: number) => xids.get(position) ?? 0
      const { events } = await reader.readPage(0, 1_000_000)
      const window = events.toSorted(
        (a, b) => xidOf(a.position) - xidOf(b.position) || a.position - b.position,
      )
      const begin = window.findIndex(({ position }) => position === after) + 1
      return pageOf(window.slice(begin, begin + limit), limit)
    },
  }
}
