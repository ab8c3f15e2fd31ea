/** A campaign for people. */
import { count } from '../../../dev/demo/text.js'
import type { Phase } from './campaign.js'
import type { Cast } from './cast.js'
import type { Report } from './report.js'
import type { Records } from './strike.js'
import type { TakeoverFigures } from './takeovers.js'

export function renderProgress(
  phase: Phase,
  elapsedMs: number,
  { crews, writers }: Cast,
  { survived }: Records,
): string {
  const faults = Object.values(survived).reduce((sum, times) => sum + times, 0)
  const seconds = Math.floor(elapsedMs / 1000)
  return [
    `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')} ${phase}`,
    `${count(faults)} faults`,
    `${count(writers.figures.events)} events committed`,
    ...crews.map(({ ordering, figures }) => `${count(figures.acknowledged)} by ${ordering}`),
  ].join(' · ')
}

export function renderReport(report: Report): string {
  const { transactions, takeovers, faults, impossible, kills, findings, examples, pauses } = report
  const skipped = Object.fromEntries(impossible.map((name) => [name, 'not here']))
  return [
    section('Faults survived', { ...faults, ...skipped }),
    section('Killed by kill -9', kills),
    section('Transactions', transactions),
    section('Takeovers, in milliseconds', {
      'of a relay killed': renderTakeovers(takeovers.killed),
      'of a relay stopped': renderTakeovers(takeovers.stopped),
    }),
    section('Pauses of relays', pauses),
    section('Otherwise', {
      'nats-server': report.natsServer,
      'lease, in milliseconds': report.leaseMs,
      'memory of a relay at most, in MiB': report.relayPeakMiB,
      'seconds until all was published': report.drainSeconds,
      'resends that were deduplicated': report.deduplicated,
      'events in the log': report.events,
    }),
    section('Found wrong', findings),
    ...examples,
    report.ok ? '✓ Every figure is 0.' : `✗ The outbox did not keep its promises (seed ${report.seed}).`,
  ].join('\n')
}

function section(title: string, figures: Readonly<Record<string, number | string>>): string {
  const lines = Object.entries(figures).map(
    ([name, value]) => `${(typeof value === 'number' ? count(value) : value).padStart(12)}  ${name}`,
  )
  return `${[title, ...lines].join('\n')}\n`
}

function renderTakeovers({ count: all, disturbed, ...times }: TakeoverFigures): string {
  const { leaseP50Ms, leaseP99Ms, acknowledgedP50Ms, acknowledgedP99Ms } = times
  return `${all} (${disturbed} amid other faults): lease p50 ${leaseP50Ms}, p99 ${leaseP99Ms}; acknowledgement p50 ${acknowledgedP50Ms}, p99 ${acknowledgedP99Ms};`
}
