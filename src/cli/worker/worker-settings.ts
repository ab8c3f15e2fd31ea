import { Option } from 'commander'
import type { WorkerOptions } from '../../config/index.js'
import { invalidOption, isOutboxError } from '../../errors.js'
import { UsageError } from '../exit-codes.js'
import { wholeNumber, yesOrNo } from '../parsers.js'

/** What may be said of the worker without its configuration: the same names there. */
export type WorkerFlags = Pick<
  WorkerOptions,
  'name' | 'batchSize' | 'maxPollMs' | 'listen' | 'leaseMs' | 'stopTimeoutMs'
>

const RELAY_NAME = 'OUTBOX_RELAY_NAME'

/** For commands about a relay: its name alone. */
export const relayOption = new Option('--relay <name>', 'the relay (default: as configured)').env(RELAY_NAME)

/** Defaults are told, not set: the configuration comes before them. */
export const workerOptions: readonly Option[] = [
  flag('--name <name>', 'the relay', 'default').env(RELAY_NAME),
  flag('--batch-size <events>', 'events read at a time', '1000').argParser(wholeNumber),
  flag('--max-poll-ms <ms>', 'how long an event waits in an idle log, at most', '500').argParser(wholeNumber),
  flag('--listen [boolean]', 'listen for commits of other processes', 'false').argParser(yesOrNo),
  flag('--lease-ms <ms>', 'how long after a crash a standby takes over', '15000').argParser(wholeNumber),
  flag('--stop-timeout-ms <ms>', 'how long to finish after a first signal', '10000').argParser(wholeNumber),
]

function flag(flags: string, description: string, fallback: string): Option {
  const option = new Option(flags, `${description} (default: ${fallback})`)
  return option.env(environmentOf(option.name()))
}

function environmentOf(name: string): string {
  return `OUTBOX_${name.replaceAll('-', '_').toUpperCase()}`
}

export function relayNameOf({ relay }: { readonly relay?: string }, configured: WorkerOptions = {}): string {
  return relay ?? configured.name ?? 'default'
}

/** Flag or environment, then configuration. */
export function resolveWorker(flags: WorkerFlags, configured: WorkerOptions = {}): WorkerOptions {
  const given = workerOptions.flatMap((option) => {
    const key = option.attributeName() as keyof WorkerFlags
    return flags[key] === undefined ? [] : [[key, flags[key]]]
  })
  return { ...configured, ...Object.fromEntries(given) }
}

/** Runs what checks options, and says of a wrong one where it came from. @throws UsageError */
export function blame<T>(flags: WorkerFlags, file: string, check: () => T): T {
  try {
    return check()
  } catch (error) {
    if (!isOutboxError(error) || error.code !== 'ERR_OUTBOX_OPTION_INVALID') throw error
    const { option } = error.details
    const flag = workerOptions.find((known) => known.attributeName() === option)
    const given = flag !== undefined && flags[option as keyof WorkerFlags] !== undefined
    const place = given ? `${flag.long} or ${flag.envVar}` : `${file}: relay.${option}`
    throw new UsageError(`${place}: ${error.message.slice(option.length + 2)}`, { cause: error })
  }
}

/** @throws `ERR_OUTBOX_OPTION_INVALID` */
export function stopTimeoutOf({ stopTimeoutMs = 10_000 }: WorkerOptions): number {
  if (Number.isInteger(stopTimeoutMs) && stopTimeoutMs >= 0) return stopTimeoutMs
  throw invalidOption('stopTimeoutMs', `must be a whole number from 0, not ${stopTimeoutMs}`)
}
