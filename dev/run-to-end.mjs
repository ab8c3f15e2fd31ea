/** Runs a command to its end, and passes SIGINT and SIGTERM on to it. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'

/** For `node --import`: the process then ends with its parent, however that ended. */
export const dieWithParent = new URL('./die-with-parent.mjs', import.meta.url).href

/**
 * In a session of its own, the child gets a Ctrl-C once, from us, and not from the terminal as well: a second one
 * would force its way out of an orderly stop.
 */
export async function runToEnd(command, args, options) {
  const child = spawn(command, args, { ...options, detached: true })
  const forward = (signal) => child.kill(signal)
  process.on('SIGINT', forward).on('SIGTERM', forward)
  try {
    const [code, signal] = await once(child, 'exit')
    return { code, signal }
  } finally {
    process.off('SIGINT', forward).off('SIGTERM', forward)
  }
}
