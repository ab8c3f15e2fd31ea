/** What commander cannot parse by itself. Each throws what commander reports with the option's name. */
import { InvalidArgumentError } from 'commander'

export function wholeNumber(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError('It must be a whole number.')
  return Number(text)
}

export function yesOrNo(text: string): boolean {
  if (/^(true|yes|1)$/.test(text)) return true
  if (/^(false|no|0)$/.test(text)) return false
  throw new InvalidArgumentError('It must be true or false.')
}

/** `500ms`, `30s`, `5m`, `2h`, `7d`: milliseconds. */
export function milliseconds(text: string): number {
  const [, amount, unit = ''] = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text) ?? []
  if (amount === undefined)
    throw new InvalidArgumentError('It must be a number with a unit: ms, s, m, h or d, such as 30s.')
  return Math.round(Number(amount) * (UNITS_MS[unit] ?? 1))
}

const UNITS_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** `2026-11-21`, `2026-11-21T10:00:00Z`, or how long ago: `2h`. */
export function pointInTime(text: string): Date {
  const ago = /^\d+(\.\d+)?(ms|s|m|h|d)$/.test(text)
  const time = ago ? new Date(Date.now() - milliseconds(text)) : new Date(text)
  if (!Number.isNaN(time.getTime())) return time
  throw new InvalidArgumentError(
    'It must be a time such as 2026-11-21T10:00:00Z, or how long ago, such as 2h.',
  )
}
