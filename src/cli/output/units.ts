/** Quantities for people. */
export { duration } from '../../observability/duration.js'

const decimal = new Intl.NumberFormat('en-US')

/** `12,345` */
export function count(value: number): string {
  return decimal.format(value)
}

/** `1 event`, `2 events` */
export function plural(value: number, noun: string): string {
  return `${count(value)} ${noun}${value === 1 ? '' : 's'}`
}

/** `1.4 MB` */
export function bytes(value: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  const power = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log10(Math.max(1, value)) / 3)))
  const amount = value / 1000 ** power
  return `${power === 0 ? amount : amount.toFixed(1)} ${units[power]}`
}
