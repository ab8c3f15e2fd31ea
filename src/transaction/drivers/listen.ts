/**
 * Listens on a connection of its own until that has ended. Then it rejects: with the reason of `signal`, or with what is
 * known of the connection's end. That the other side is silently gone, nobody tells.
 */
export type Listen = (channel: string, listener: Listener, signal: AbortSignal) => Promise<never>

export interface Listener {
  /** What is notified from here on is heard. */
  onListening(): void
  onNotification(payload: string): void
}

/** Rejects when `signal` aborts, with its reason, or when `lose` is called. */
export function untilLost(
  signal: AbortSignal,
  watch: (lose: (error?: unknown) => void) => void,
): Promise<never> {
  return new Promise((_, reject) => {
    watch((error) => reject(error ?? new Error('the connection that listens was closed')))
    const abort = () => reject(signal.reason)
    if (signal.aborted) abort()
    else signal.addEventListener('abort', abort, { once: true })
  })
}
