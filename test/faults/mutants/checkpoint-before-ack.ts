/** Mutant: a page counts as published as soon as it is read. */
import { LogReader } from '../../../src/event-log/log-reader.js'
import type { Load } from '../subject.js'

export const checkpointBeforeAck: Load = async (db, claim, source) => {
  const reader = await LogReader.load(db, claim, source)
  return {
    get page() {
      return reader.page
    },
    openWindow: () => reader.openWindow(),
    readPage: async (after, limit) => {
      const page = await reader.readPage(after, limit)
      if (page.length < limit) await reader.closeWindow()
      else await reader.checkpoint(page.at(-1)!.position)
      return page
    },
    checkpoint: async () => {},
    closeWindow: async () => {},
  }
}
