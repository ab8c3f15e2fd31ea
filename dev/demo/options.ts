/** The command line of the demo. */
import { parseArgs } from 'node:util'

export interface Options {
  readonly orders: number
  readonly keep: boolean
  readonly json: boolean
  readonly help: boolean
}

export const usage = `Usage: npm run demo -- [options]

A shop on PostgreSQL whose customers place, pay, ship and cancel orders, many at a time. A relay publishes
the events to NATS JetStream, a consumer reads them back, and everything is compared with the log.

  --orders N   how many orders, from 1 to 1,000,000 (default 3,000)
  --keep       leave the servers up afterwards, and say how to look inside and how to remove them
  --json       print the result as one JSON object on stdout, everything else on stderr
  --help       print this

DATABASE_URL and NATS_URL name servers to use instead of private ones. Exit code: 0 if every event arrived
once, in order and unchanged, 1 if not, 2 for a wrong option.
`

/** @throws UsageError */
export function parseOptions(args: readonly string[]): Options {
  const { orders, keep, json, help } = parse(args)
  const count = Number(orders)
  if (!/^\d+$/.test(orders) || count < 1 || count > 1_000_000)
    throw new UsageError(`--orders must be a whole number from 1 to 1000000, not ${JSON.stringify(orders)}`)
  return { orders: count, keep, json, help }
}

export class UsageError extends Error {}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        orders: { type: 'string', default: '3000' },
        keep: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    }).values
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
}
