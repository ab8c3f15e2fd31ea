/** Mutant: a page counts as published as soon as it is read. */
import { LogReader } from '../../../src/event-log/log-reader.js'
import type { Load } from '../subject.js'

export const checkpointBeforeAck: Load = async (log, claim, source) => {
  const reader = await LogReader.load(log, claim, source)
  return {
    get page() {
      return reader.page
    },
    openWindow: () => reader.openWindow(),
    readPage: async (after, limit) => {
      const page = await reader.readPage(after, limit)
      if (page.end === undefined)
        await reader.closeWindow({ position: page.events.at(-1)?.position ?? after })
      else await reader.checkpoint({ position: page.end })
      return page
    },
    checkpoint: async () => {},
    closeWindow: async () => {},
  }
}
