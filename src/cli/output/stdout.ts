import { once } from 'node:events'

/** Writes data, and waits while its reader is slow. */
export async function print(text: string): Promise<void> {
  if (process.stdout.destroyed) return
  if (!process.stdout.write(`${text}\n`)) await once(process.stdout, 'drain').catch(() => {})
}

/**
 * One line for each value where there are several, so that a reader need not wait for the last one. What is undefined is
 * null: every field is always there.
 */
export function printJson(value: unknown): Promise<void> {
  return print(JSON.stringify(value, (_, field) => (field === undefined ? null : field)))
}

/**
 * `drizzle-outbox events | head` closes the pipe before everything is written. That is the reader's good right: what
 * is written after is dropped, and `onGone` told.
 */
export function surviveClosedPipes(onGone: () => void): void {
  process.stdout.on('error', (error) => {
    if (!isClosedPipe(error)) throw error
    onGone()
  })
  process.stderr.on('error', (error) => {
    if (!isClosedPipe(error)) throw error
  })
}

function isClosedPipe(error: Error): boolean {
  return 'code' in error && (error.code === 'EPIPE' || error.code === 'ERR_STREAM_DESTROYED')
}

/** `process.exit` drops what a pipe has not taken yet. */
export async function flushStreams(): Promise<void> {
  const flushed = [process.stdout, process.stderr].map(
    (stream) => new Promise<void>((resolve) => stream.write('', () => resolve())),
  )
  await Promise.all(flushed)
}
