/** What the command's exit codes mean, in every command. */
export const EXIT = {
  ok: 0,
  /** Something failed, or was stopped before it was done. */
  failed: 1,
  /** Wrong arguments, or a wrong configuration: trying again does not help. */
  usage: 2,
  /** Everything worked, and something was found that needs looking after. */
  unhealthy: 3,
} as const

export type ExitCode = (typeof EXIT)[keyof typeof EXIT]

/** What the user typed, or configured, cannot be used. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** It did not work out, and the message says why: nobody needs a stack. */
export class Failure extends Error {
  override readonly name = 'Failure'
}
