/** What would have ended the process. */
const events = ['uncaughtException', 'unhandledRejection'] as const

export interface Uncaught {
  /** Those since it was last asked. */
  take(): Promise<string[]>
  stop(): void
}

/** In place of those who listen now, vitest for one, which would not say when it happened. */
export function watchUncaught(): Uncaught {
  let caught: string[] = []
  const listen = (error: unknown) => {
    caught.push(String(error))
  }
  const others = events.map((event) => process.listeners(event as 'uncaughtException'))
  for (const event of events) process.removeAllListeners(event).on(event, listen)
  return {
    take: async () => {
      await new Promise(setImmediate) // a rejection is unhandled only at the end of the turn
      const taken = caught
      caught = []
      return taken
    },
    stop: () => {
      for (const [index, event] of events.entries()) {
        process.removeAllListeners(event)
        for (const other of others[index]!) process.on(event, other as (error: unknown) => void)
      }
    },
  }
}
