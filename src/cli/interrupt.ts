import { constants } from 'node:os'
import { Failure } from './exit-codes.js'

/**
 * The first SIGINT or SIGTERM aborts the signal: finish what is in flight. The second one ends the process at once.
 *
 * @param onSlow Told of the first one, when the process is still there a moment later.
 */
export function interruptOnSignals(onSlow: (signal: NodeJS.Signals) => void): AbortController {
  const controller = new AbortController()
  let first: number | undefined
  for (const name of ['SIGINT', 'SIGTERM'] as const)
    process.on(name, () => {
      if (first === undefined) {
        first = performance.now()
        controller.abort(new Failure(`stopped by ${name} before it was done`))
        setTimeout(onSlow, SAME_KEY_MS, name).unref()
      } else if (performance.now() - first > SAME_KEY_MS) process.exit(128 + constants.signals[name])
    })
  return controller
}

/** Under npx one Ctrl-C arrives twice: from the terminal, and from npm, which passes its own on. */
const SAME_KEY_MS = 300
