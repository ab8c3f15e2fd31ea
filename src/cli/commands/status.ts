import { Option } from 'commander'
import { type OutboxStatus, type RelayStatistics, readOutboxStatus } from '../../operations/outbox-status.js'
import { sleep } from '../../relay/sleep.js'
import type { CommandSpec } from '../command.js'
import { EXIT } from '../exit-codes.js'
import { printJson } from '../output/stdout.js'
import { type Paint, paintFor } from '../output/style.js'
import { type Column, renderTable } from '../output/table.js'
import { bytes, count, duration, plural } from '../output/units.js'
import { View } from '../output/view.js'
import { milliseconds } from '../parsers.js'
import { configOption, type SessionOptions, withSession } from '../session.js'

interface StatusOptions extends SessionOptions {
  readonly watch?: true
  readonly interval: number
  readonly maxAge: number
}

export const statusCommand: CommandSpec<StatusOptions> = {
  name: 'status',
  summary: 'how far each relay is behind, and who leads',
  description: `Shows the log, and of each relay who holds its lease, what it has still to publish, and what the broker
refused. Asks the database alone, so it sees relays wherever they run. Exit code 3 if something needs looking after.`,
  options: [
    configOption,
    new Option('-w, --watch', 'again and again, until it is stopped'),
    new Option('--interval <duration>', 'how often, with --watch')
      .argParser(milliseconds)
      .default(2000, '2s'),
    new Option('--max-age <duration>', 'an event that waits for longer needs looking after')
      .argParser(milliseconds)
      .default(300_000, '5m'),
  ],
  json: true,
  examples: [
    ['status', 'once'],
    ['status --watch', 'to look at while a backlog goes down'],
    ['status --json --max-age 30s || alert', 'for a monitor'],
  ],
  run: (options, context) =>
    withSession(options, context, async ({ guardedDb, config }) => {
      const { json, signal } = context
      const view = new View()
      const { retentionMs: configured } = config.relay ?? {}
      const retentionMs = configured === false ? Number.POSITIVE_INFINITY : configured
      for (;;) {
        const reading = readOutboxStatus(guardedDb, retentionMs === undefined ? {} : { retentionMs })
        const status = await reading.catch((error) => {
          if (options.watch && signal.aborted) return undefined
          throw error
        })
        if (status === undefined) return EXIT.ok
        const problems = problemsOf(status, options.maxAge)
        if (json) await printJson({ at: new Date().toISOString(), ...status, problems })
        else await view.show(render(status, problems, paintFor(process.stdout)))
        if (!options.watch) return problems.length === 0 ? EXIT.ok : EXIT.unhealthy
        await sleep(options.interval, signal)
        if (signal.aborted) return EXIT.ok
      }
    }),
}

function problemsOf({ log, relays }: OutboxStatus, maxAgeMs: number): string[] {
  if (relays.length === 0 && log.estimatedEvents !== 0)
    return ['no relay has ever run on this log: start one with `npx drizzle-outbox relay`']
  return relays.flatMap((relay) =>
    problemsOfRelay(relay, maxAgeMs).map((text) => `relay ${relay.name}: ${text}`),
  )
}

function problemsOfRelay(relay: RelayStatistics, maxAgeMs: number): string[] {
  const { lease, pendingEvents, oldestPendingAgeMs = 0, deadLetters, name } = relay
  const problems: string[] = []
  if (lease !== 'held' && pendingEvents > 0)
    problems.push(`${plural(pendingEvents, 'event')} to publish, and nobody leads: start it`)
  if (oldestPendingAgeMs > maxAgeMs)
    problems.push(`the oldest event has waited for ${duration(oldestPendingAgeMs)}`)
  if (deadLetters > 0)
    problems.push(
      `${plural(deadLetters, 'dead letter')}: \`npx drizzle-outbox dead list --relay ${name}\` shows them`,
    )
  if (relay.holdsRetentionBack)
    problems.push(
      `old events stay in the log for it: start it, or \`npx drizzle-outbox forget ${name}\` if it is gone for good`,
    )
  return problems
}

const COLUMNS: readonly Column<RelayStatistics>[] = [
  { title: 'relay', cell: ({ name }) => name },
  {
    title: 'lease',
    cell: ({ lease, replaying }) => (replaying ? `${lease}, replaying` : lease),
    style: ({ lease, pendingEvents }) => (lease === 'held' ? 'green' : pendingEvents > 0 ? 'red' : undefined),
  },
  { title: 'holder', cell: ({ owner }) => owner ?? '-' },
  { title: 'epoch', align: 'right', cell: ({ epoch }) => String(epoch) },
  { title: 'pending', align: 'right', cell: ({ pendingEvents }) => count(pendingEvents) },
  {
    title: 'oldest',
    align: 'right',
    cell: ({ oldestPendingAgeMs }) => (oldestPendingAgeMs === undefined ? '-' : duration(oldestPendingAgeMs)),
  },
  {
    title: 'dead letters',
    align: 'right',
    cell: ({ deadLetters }) => count(deadLetters),
    style: ({ deadLetters }) => (deadLetters > 0 ? 'red' : undefined),
  },
  { title: 'active', align: 'right', cell: ({ inactiveMs }) => `${duration(inactiveMs)} ago` },
]

function render({ log, relays }: OutboxStatus, problems: readonly string[], paint: Paint): string {
  const events =
    log.estimatedEvents === undefined ? 'not counted yet' : `about ${plural(log.estimatedEvents, 'event')}`
  return [
    `log: ${events}, ${bytes(log.bytes)}`,
    '',
    ...(relays.length === 0 ? [] : [renderTable(COLUMNS, relays, paint), '']),
    ...problems.map((problem) => `${paint('yellow', '!')} ${problem}`),
    ...(problems.length === 0 ? [paint('green', 'all is well')] : []),
  ].join('\n')
}
